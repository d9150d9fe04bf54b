// The pictures of the documents can be taken, and are small; those that are kept are all of them.
import { readdirSync } from "node:fs";
import { expect } from "vitest";
import { test } from "../support/browser-place.ts";
import { signInAs, withTokens } from "../support/browser-sign-in.ts";
import { PICTURES, takePictures } from "../support/pictures.ts";

const OCTETS_MAX = 150_000;
const PNG = [0x89, 0x50, 0x4e, 0x47];

test("they can be taken", async ({ place, browser, open: _ }) => {
  if (browser === undefined) throw new Error("there is no browser");
  const taken = await takePictures(browser, place, withTokens(place), (page) => signInAs(page, "operate"));
  expect([...taken.keys()]).toEqual(PICTURES.map(({ name }) => name));
  for (const [name, png] of taken) {
    expect([name, [...png.subarray(0, 4)]]).toEqual([name, PNG]);
    expect([name, png.length < OCTETS_MAX]).toEqual([name, true]);
  }
  expect(
    Buffer.compare(taken.get("overview-light") ?? PNG_NONE, taken.get("overview-dark") ?? PNG_NONE),
  ).not.toBe(0);
});

const PNG_NONE = new Uint8Array();

test("those of docs/pictures are these", () => {
  expect(readdirSync("docs/pictures").sort()).toEqual(PICTURES.map(({ name }) => `${name}.png`).sort());
});
