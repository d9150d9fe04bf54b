// Markup that strangers write is text on every page: nothing of it runs, opens, or asks anybody.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { openWindow } from "../support/browser.ts";
import { readPaths, unfold } from "../support/browser-pages.ts";
import { test } from "../support/browser-place.ts";
import { startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";
import type { Place } from "../support/place.ts";

/** In an attribute, in text, and in a raw text element. @param port of somebody who waits to be asked */
const markupTo = (port: number): string =>
  `"'></title></textarea></style></script><script>window.__ran = 1; alert(1)</script>` +
  `<img src=//127.0.0.1:${port}/x onerror="window.__ran = 1"><svg onload=alert(1)>`;

/** Counts who connects. */
async function startElsewhere(place: Place) {
  let connections = 0;
  const server = createServer((_request, response) => response.end()).listen(0, "127.0.0.1");
  server.on("connection", () => connections++);
  place.atEnd(() => server.close());
  await once(server, "listening");
  return { port: (server.address() as AddressInfo).port, connections: () => connections };
}

test("what is watched for is seen where markup is not escaped", async ({ browser, open: _, place }) => {
  const elsewhere = await startElsewhere(place);
  const markup = markupTo(elsewhere.port);
  const server = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><title>${markup}</title><p>${markup}`);
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
  expect(elsewhere.connections()).toBeGreaterThan(0);
});

test("in subjects, bodies, tasks, replies and reasons", async ({ place, open }) => {
  const elsewhere = await startElsewhere(place);
  const markup = markupTo(elsewhere.port);
  const { gateway } = await startScene(place, {
    settings: withTokens(place),
    words: { subject: markup, body: markup, task: markup, reply: `450 4.2.0 ${markup}` },
  });
  const page = await open(gateway, { as: "operate", path: "/upstreams" });
  const card = page.getByRole("region", { name: "relay" });
  await card.locator("summary").click();
  await card.getByLabel("Reason").fill(markup);
  await card.getByRole("button", { name: "Pause" }).click();
  await card.getByText("An operator has paused it").waitFor();
  expect(await card.locator("q").textContent()).toBe(markup);
  let shown = 0;
  for (const path of await readPaths(page)) {
    await page.goto(path);
    await unfold(page);
    if ((await page.locator("main").textContent())?.includes("window.__ran = 1")) shown++;
  }
  // Overview, queue, upstreams, both mails of the queue, the outbox, its mail in each view, what happened to it, and a header.
  expect(shown).toBeGreaterThanOrEqual(8);
  expect(elsewhere.connections()).toBe(0);
});
