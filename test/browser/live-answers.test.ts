// A page says so when the gateway does not answer, or not with the page; and goes on by itself.
import { expect } from "vitest";
import { submit } from "../support/browser-live.ts";
import { test } from "../support/browser-place.ts";

const isPage = ({ pathname }: URL): boolean => pathname === "/";

for (const status of [500, 503]) {
  test(`what is answered with ${status} is not shown as live`, async ({ place, open }) => {
    const gateway = await place.start();
    const page = await open(gateway);
    const toggle = page.locator("button.live");
    await page.route(isPage, (route) => route.fulfill({ status, body: "no" }));
    await submit(gateway);
    await toggle.getByText("No answer").waitFor();
    expect(await toggle.getAttribute("title")).toContain(`can't show this now (${status})`);
    await page.locator(".key.relayed").getByText("0 relayed").waitFor();
    await page.unroute(isPage);
    await submit(gateway);
    await toggle.getByText("Live").waitFor();
    await page.locator(".key.relayed").getByText("2 relayed").waitFor();
  });
}

test("a stream that was refused is asked for again, after a growing wait, and the page is read at once", async ({
  place,
  open,
}) => {
  const gateway = await place.start();
  const page = await open(gateway, { path: "/search" });
  const askedAt: number[] = [];
  await page.route(
    ({ pathname }) => pathname === "/api/v1/events",
    async (route) => {
      askedAt.push(performance.now());
      if (askedAt.length < 3) return await route.fulfill({ status: 503, body: "no" });
      // What happens meanwhile is not in the stream.
      await submit(gateway);
      await gateway.logged("transmission.relayed");
      await route.continue();
    },
  );
  await page.goto("/");
  await page.locator(".key.relayed").getByText("1 relayed").waitFor();
  const shownAt = performance.now();
  const [first = 0, second = 0, third = 0] = askedAt;
  expect(askedAt).toHaveLength(3);
  expect(second - first).toBeGreaterThan(1_900);
  expect(third - second).toBeGreaterThan(3_900);
  // The poll comes each 30 s.
  expect(shownAt - first).toBeLessThan(25_000);
});

test("a page that is not in front has no stream: six of them would take all connections of a browser", async ({
  place,
  open,
}) => {
  const gateway = await place.start();
  const page = await open(gateway);
  const isStream = (request: { url(): string }): boolean => request.url().includes("/api/v1/events");
  const show = (isHidden: boolean): Promise<unknown> =>
    page.evaluate(
      `Object.defineProperty(document, "hidden", { configurable: true, get: () => ${isHidden} });` +
        'document.dispatchEvent(new Event("visibilitychange"));',
    );
  const closed = page.waitForEvent("requestfailed", isStream);
  await show(true);
  await closed;
  await submit(gateway);
  await gateway.logged("transmission.relayed");
  const opened = page.waitForRequest(isStream);
  await show(false);
  await opened;
  await page.locator(".key.relayed").getByText("1 relayed").waitFor();
});
