// What a form has done is said once, for as long as somebody reads it.
import { expect } from "vitest";
import { inQueue, startPaused, submit } from "../support/browser-live.ts";
import { test } from "../support/browser-place.ts";

test("it stays over what happens next, and is gone later and when the page is loaded again", async ({
  place,
  open,
}) => {
  const { gateway, page } = await startPaused(place, open);
  await page.clock.install();
  await page.goto("/queue?state=due");
  await page.locator("main tbody input[type=checkbox]").check();
  await page.getByRole("button", { name: "Retry", exact: true }).click();
  const done = page.getByRole("status");
  await done.getByText("1 mail is due now.").waitFor();
  await page.waitForURL(({ search }) => search === "?state=due");
  await submit(gateway);
  await inQueue(page, 2).waitFor();
  expect(await done.count()).toBe(1);

  await page.clock.fastForward(15_000);
  await submit(gateway);
  await inQueue(page, 3).waitFor();
  expect(await done.count()).toBe(0);
  await page.reload();
  await inQueue(page, 3).waitFor();
  expect(await done.count()).toBe(0);
});
