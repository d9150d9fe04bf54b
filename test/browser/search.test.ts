// A mail is found from any page, by what somebody has of it.
import { expect } from "vitest";
import { test } from "../support/browser-place.ts";
import { startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";

test.for([true, false])("by address, task and id; script: %s", async (script, { place, open }) => {
  const { gateway } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "read", path: "/upstreams", script });
  const search = async (text: string): Promise<void> => {
    await page.getByRole("searchbox").fill(text);
    await page.keyboard.press("Enter");
  };
  const [relayed] = gateway.said(
    "transmission.relayed",
    ({ recipient }) => recipient === "reader5@example.com",
  );
  // One that waits: no history is kept by address.
  await search("reader4@example.net");
  await page.getByRole("heading", { name: "Search" }).waitFor();
  const found = page.locator("main a[href^='/mails/']");
  expect(await found.count()).toBe(1);
  // What was searched for stays in the field.
  expect(await page.getByRole("searchbox").inputValue()).toBe("reader4@example.net");
  await found.click();
  await page.locator(".answer").waitFor();
  expect(await page.locator("main").textContent()).toContain("450 4.2.0 greylisted");

  await search(String(relayed?.task));
  await page.waitForURL("**/search?q=*");
  expect(await found.count()).toBe(1);
  await search(String(relayed?.messageId));
  await page.waitForURL("**/mails/*");
  expect(page.url()).toContain(/<(\w+)@/.exec(String(relayed?.messageId))?.[1]);

  await search("nobody@example.org");
  await page.waitForURL("**/search?q=nobody*");
  expect(await found.count()).toBe(0);
});

test("a visitor finds a mail by its id only", async ({ place, open }) => {
  const { gateway } = await startScene(place);
  const page = await open(gateway, { path: "/search?q=reader5@example.com" });
  await page.locator("main").getByRole("link", { name: "sign in" }).waitFor();
  expect(await page.locator("main a[href^='/mails/']").count()).toBe(0);
  const [relayed] = gateway.said("transmission.relayed");
  await page.goto(`/search?q=${encodeURIComponent(String(relayed?.messageId))}`);
  await page.locator(".answer").waitFor();
  expect(await page.content()).not.toContain(String(relayed?.recipient));
});
