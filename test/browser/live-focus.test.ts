// Where the focus is after a live update, when what had it is gone: on no other control, and not at the top of the page.
import { expect } from "vitest";
import { inQueue, startTwo, submit } from "../support/browser-live.ts";
import { test } from "../support/browser-place.ts";

const FOCUSED =
  "(({ localName, textContent }) => localName + ' ' + textContent.trim())(document.activeElement)";

test("the heading above it has the focus, and keeps it", async ({ place, open }) => {
  const gateway = await startTwo(place);
  const page = await open(gateway, { as: "operate", path: "/upstreams" });
  const other = await open(gateway, { as: "operate", path: "/upstreams" });
  for (const summary of await page.locator("summary").all()) await summary.click();
  // There is another one that looks like it.
  await page.getByRole("region", { name: "first" }).getByRole("button", { name: "Pause" }).focus();
  const card = other.getByRole("region", { name: "first" });
  await card.locator("summary").click();
  await card.getByRole("button", { name: "Pause" }).click();
  await page.getByText("An operator has paused it", { exact: true }).waitFor();
  expect(await page.evaluate(FOCUSED)).toMatch(/^h2 first/);
  await submit(gateway);
  await inQueue(page, 1).waitFor();
  expect(await page.evaluate(FOCUSED)).toMatch(/^h2 first/);
  await page.keyboard.press("Tab");
  expect(await page.evaluate(FOCUSED)).toMatch(/^a 1 waiting/);
});

test("a button that is still there keeps the focus, whatever is above it", async ({ place, open }) => {
  const gateway = await startTwo(place);
  const page = await open(gateway, { as: "operate", path: "/upstreams" });
  const other = await open(gateway, { as: "operate", path: "/upstreams" });
  for (const summary of await page.locator("summary").all()) await summary.click();
  const button = page.getByRole("region", { name: "second" }).getByRole("button", { name: "Pause" });
  await button.focus();
  const card = other.getByRole("region", { name: "first" });
  await card.locator("summary").click();
  await card.getByRole("button", { name: "Pause" }).click();
  await page.getByText("An operator has paused it", { exact: true }).waitFor();
  expect(await button.evaluate((element) => element === element.ownerDocument.activeElement)).toBe(true);
});
