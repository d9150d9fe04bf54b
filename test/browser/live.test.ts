// A page changes as things happen, without being loaded again, and keeps what somebody does on it.
import { expect } from "vitest";
import type { Page } from "../support/browser.ts";
import { inQueue, startPaused, submit } from "../support/browser-live.ts";
import { test } from "../support/browser-place.ts";

/** Lost when a page is loaded again. */
const mark = (page: Page): Promise<unknown> => page.evaluate("window.isMarked = true");
const isMarked = (page: Page): Promise<unknown> => page.evaluate("window.isMarked === true");

test("a mail is sent, and the numbers change", async ({ place, open }) => {
  const gateway = await place.start();
  const page = await open(gateway);
  await mark(page);
  await page.locator(".key.relayed").getByText("0 relayed").waitFor();
  await submit(gateway);
  await page.locator(".key.relayed").getByText("1 relayed").waitFor();
  expect(await isMarked(page)).toBe(true);
});

test("Paused keeps the page as it is, until it is pressed again", async ({ place, open }) => {
  const { gateway, page } = await startPaused(place, open);
  await page.goto("/");
  await inQueue(page, 1).waitFor();
  await page.getByRole("button", { name: "Live" }).click();
  const live = await open(gateway, { as: "operate" });
  await submit(gateway);
  await inQueue(live, 2).waitFor();
  expect(await inQueue(page, 1).count()).toBe(1);
  await page.getByRole("button", { name: "Paused" }).click();
  await inQueue(page, 2).waitFor();
});

test("what has the focus keeps it", async ({ place, open }) => {
  const { gateway, page } = await startPaused(place, open);
  await page.goto("/");
  for (const control of [
    page.getByRole("link", { name: "Upstreams" }),
    page.locator("main").getByRole("link", { name: /^\d+$/ }),
    page.locator("main").getByRole("button", { name: "Resume" }),
    page.getByRole("button", { name: "Sign out" }),
  ]) {
    const before = Number(await page.locator("nav .count").textContent());
    await control.focus();
    await submit(gateway);
    await inQueue(page, before + 1).waitFor();
    expect(await control.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
  }
});

test("what is being filled in stays, and the page goes on after it", async ({ place, open }) => {
  const { gateway, page } = await startPaused(place, open);
  await page.getByRole("button", { name: "Resume" }).click();
  await page.getByText("It takes mail.").waitFor();
  const summary = page.locator("summary");
  await summary.click();
  const field = page.getByLabel("Reason");
  await field.fill("a move");
  const other = await open(gateway, { as: "operate", path: "/upstreams" });
  await other.locator("summary").click();
  await other.getByRole("button", { name: "Pause" }).click();
  await submit(gateway);
  const watching = await open(gateway, { as: "operate" });
  await inQueue(watching, 1).waitFor();
  expect(await field.inputValue()).toBe("a move");
  expect(await page.getByText("It takes mail.").count()).toBe(1);
  await summary.click();
  await page.getByText("An operator has paused it", { exact: true }).waitFor();
});

test("what is marked to be copied stays", async ({ place, open }) => {
  const { gateway, page } = await startPaused(place, open);
  await page.goto("/");
  await inQueue(page, 1).waitFor();
  await page.locator(".prevented").click({ clickCount: 3 });
  const marked = await page.evaluate("String(getSelection())");
  expect(marked).toContain("prevented");
  const watching = await open(gateway, { as: "operate" });
  await submit(gateway);
  await inQueue(watching, 2).waitFor();
  expect(await page.evaluate("String(getSelection())")).toBe(marked);
  expect(await inQueue(page, 1).count()).toBe(1);
  await page.locator("h2").first().click();
  await inQueue(page, 2).waitFor();
});
