// A form is sent once, and what it has done is said once, for as long as somebody reads it.
import { expect } from "vitest";
import { inQueue, startPaused, submit } from "../support/browser-live.ts";
import { test } from "../support/browser-place.ts";
import { SCENE, startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";

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

const isRetry = ({ pathname }: URL): boolean => pathname === "/queue/retry";

test("a second click sends nothing, and the answer is the one to the first", async ({ place, open }) => {
  const { gateway, relent } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "operate", path: "/queue" });
  relent();
  let sent = 0;
  await page.route(isRetry, async (route) => {
    sent++;
    // The pointer is where it was, and the page is there until the gateway answers.
    if (sent === 1) for (const event of ["down", "up"] as const) await page.mouse[event]({ clickCount: 2 });
    await route.continue();
  });
  await page.getByRole("button", { name: `Retry ${SCENE.waiting}` }).click({ noWaitAfter: true });
  await page.getByRole("status").waitFor();
  expect(await page.getByRole("status").textContent()).toBe(`${SCENE.waiting} mails are due now.`);
  expect(sent).toBe(1);
});

test("a form can be sent again when its page is shown again", async ({ place, open }) => {
  const { page } = await startPaused(place, open);
  await page.goto("/queue");
  let sent = 0;
  await page.route(isRetry, (route) => {
    sent++;
    return route.fulfill({ status: 204 });
  });
  await page.locator("main tbody input[type=checkbox]").check();
  const retry = page.getByRole("button", { name: "Retry", exact: true });
  const answered = () => page.waitForResponse((response) => isRetry(new URL(response.url())));
  const [first] = [answered(), await retry.click()];
  await first;
  await retry.click();
  await page.evaluate("dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))");
  const [second] = [answered(), await retry.click()];
  await second;
  expect(sent).toBe(2);
});
