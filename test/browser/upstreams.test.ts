// An upstream is paused and resumed by hand: with the mouse, with the keyboard alone, and without script.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { tabTo } from "../support/browser-keyboard.ts";
import { test } from "../support/browser-place.ts";
import { withTokens } from "../support/browser-sign-in.ts";
import { smtpAt } from "../support/place.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

test("by keyboard alone, from the first page to a pause with a reason and back", async ({ place, open }) => {
  const upstream = await place.smtp();
  const gateway = await place.start({ ...withTokens(place), ...smtpAt(upstream.port) });
  const page = await open(gateway, { as: "operate" });
  await tabTo(page, "Upstreams");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/upstreams");
  await tabTo(page, "Pause");
  await page.keyboard.press("Enter");
  await tabTo(page, "For");
  await page.keyboard.type("30m");
  await tabTo(page, "Reason");
  await page.keyboard.type("a move");
  await tabTo(page, "Pause");
  await page.keyboard.press("Enter");
  await gateway.logged("operator.paused");
  expect(gateway.said("operator.paused")).toMatchObject([{ reason: "a move", by: "operate" }]);
  await page.getByText("An operator has paused it").waitFor();
  expect(await page.locator("main").textContent()).toMatch(/a move.*it goes on in (30|29) min/);
  await submitMail(gateway.port, { to: ["reader@example.net"], content: taskMail(randomUUID()) });
  expect(upstream.connections()).toBe(0);

  await tabTo(page, "Resume");
  await page.keyboard.press("Enter");
  await gateway.logged("transmission.relayed");
  await page.getByText("It takes mail.").waitFor();
});

test("the first Tab leads past the navigation", async ({ place, open }) => {
  const page = await open(await place.start(), { path: "/upstreams" });
  await tabTo(page, "Skip to the content");
  await page.keyboard.press("Enter");
  await tabTo(page, "0 waiting");
});

test.for([true, false])("with the mouse; script: %s", async (script, { place, open }) => {
  const upstream = await place.smtp();
  const gateway = await place.start({ ...withTokens(place), ...smtpAt(upstream.port) });
  const page = await open(gateway, { as: "operate", path: "/upstreams", script });
  await page.locator("summary").click();
  await page.getByLabel("Reason").fill("a move");
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("An operator has paused it").waitFor();
  await page.goto("/");
  expect(await page.locator(".troubles li").first().textContent()).toMatch(/paused upstream.*a move/);
  await page.locator("main").getByRole("button", { name: "Resume" }).click();
  await page.getByText("It takes mail.").waitFor();
  expect(gateway.said("operator.resumed")).toHaveLength(1);
});

test("a duration that is none is refused before it is sent, and by the gateway where a browser would send it", async ({
  place,
  open,
}) => {
  const gateway = await place.start(withTokens(place));
  const page = await open(gateway, { as: "operate", path: "/upstreams" });
  await page.locator("summary").click();
  const field = page.getByLabel("For");
  await field.fill("soon");
  await page.getByRole("button", { name: "Pause" }).click();
  expect(await field.evaluate((element) => element.matches(":invalid"))).toBe(true);
  await page.locator("form[action='/upstreams/pause']").evaluate((form) => {
    (form as unknown as { noValidate: boolean }).noValidate = true;
  });
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("for: expected a duration").waitFor();
  expect(gateway.said("operator.paused")).toEqual([]);
});
