// Without a token, on loopback: every page shows how much is where, nobody's name, and nothing to press.
import { expect } from "vitest";
import { readPaths, unfold, visitedPaths } from "../support/browser-pages.ts";
import { test } from "../support/browser-place.ts";
import { startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";

const SECRET = {
  reader: "customer",
  task: "secret-task",
  subject: "A secret",
  reply: "450 4.2.0 secret reply",
};
const SECRETS = /customer\d|secret/i;

test("a visitor gets masked pages without buttons", async ({ place, open }) => {
  const { gateway } = await startScene(place, { words: SECRET });
  const page = await open(gateway);
  for (const path of await visitedPaths(page)) {
    await page.goto(path);
    await unfold(page);
    expect(new URL(page.url()).pathname).toBe(path);
    expect([path, await page.content()]).toEqual([path, expect.not.stringMatching(SECRETS)]);
    expect([path, await page.locator("form[method=post]").count()]).toEqual([path, 0]);
  }
});

test("the role read sees all of it, and has nothing to press either", async ({ place, open }) => {
  const { gateway } = await startScene(place, { words: SECRET, settings: withTokens(place) });
  const page = await open(gateway, { as: "read" });
  for (const path of await readPaths(page)) {
    await page.goto(path);
    expect([path, await page.locator("main form[method=post]").count()]).toEqual([path, 0]);
  }
});
