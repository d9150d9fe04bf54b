// Markup that strangers write is text on every page: nothing of it runs, opens, or asks anybody.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { openWindow } from "../support/browser.ts";
import { PATHS, unfold } from "../support/browser-pages.ts";
import { test, withTokens } from "../support/browser-place.ts";
import { startScene } from "../support/browser-scene.ts";

/** In an attribute, in text, and in a raw text element. */
const MARKUP =
  `"'></title></textarea></style></script><script>window.__ran = 1; alert(1)</script>` +
  `<img src=//127.0.0.9/x onerror="window.__ran = 1"><svg onload=alert(1)>`;

test("what is watched for is seen where markup is not escaped", async ({ browser, open: _, place }) => {
  const server = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>${MARKUP}</title><p>${MARKUP}`);
  }).listen(0, "127.0.0.1");
  place.atEnd(() => server.close());
  await once(server, "listening");
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  if (browser === undefined) throw new Error("there is no browser");
  const window = await openWindow(browser, origin);
  place.atEnd(() => window.close());
  await window.page.goto("/");
  const faults = (await window.faults()).map((fault) => fault.replace(/:.*/, ""));
  for (const fault of ["dialog", "ran", "elsewhere"]) expect(faults).toContain(fault);
});

test("in subjects, bodies, tasks, addresses, replies and reasons", async ({ place, open }) => {
  const { gateway } = await startScene(place, {
    settings: withTokens(place),
    words: { subject: MARKUP, body: MARKUP, task: MARKUP, reply: `450 4.2.0 ${MARKUP}` },
  });
  const page = await open(gateway, { as: "operate", path: "/upstreams" });
  const card = page.getByRole("region", { name: "relay" });
  await card.locator("summary").click();
  await card.getByLabel("Reason").fill(MARKUP);
  await card.getByRole("button", { name: "Pause" }).click();
  await card.getByText("An operator has paused it").waitFor();
  expect(await card.locator("q").textContent()).toBe(MARKUP);
  for (const path of PATHS) {
    await page.goto(path);
    await unfold(page);
    expect([path, await page.locator("main").textContent()]).toEqual([path, expect.stringContaining(MARKUP)]);
  }
});
