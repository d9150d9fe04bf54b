// What tests of pages begin with: a place, gateways to sign in to, and a browser that is launched once a file. A window fails
// its test at the end if a page has done in it what none may.
import { expect } from "vitest";
import type { Role } from "../../src/access/tokens-lines.ts";
import { chromiumProgram, launchBrowser, openWindow, type Page, type View } from "./browser.ts";
import { signInAs } from "./browser-sign-in.ts";
import { test as base } from "./place.ts";
import type { GatewayProcess } from "./process.ts";

export interface Opening extends View {
  /** Signed in with a token of this role; a visitor unless given. */
  readonly as?: Role;
  readonly path?: string;
}

export type Open = (gateway: GatewayProcess, opening?: Opening) => Promise<Page>;

export const originOf = (gateway: GatewayProcess): string =>
  `http://${String(gateway.said("gateway.listening")[0]?.http)}`;

export const test = base
  // biome-ignore lint/correctness/noEmptyPattern: vitest reads from the pattern what a fixture needs
  .extend("browser", { scope: "file" }, async ({}, { onCleanup }) => {
    if (chromiumProgram === undefined) return undefined;
    const browser = await launchBrowser(chromiumProgram);
    onCleanup(() => browser.close());
    return browser;
  })
  .extend("open", async ({ browser, skip }, { onCleanup }): Promise<Open> => {
    if (browser === undefined) return skip("chromium is not installed");
    const windows: Awaited<ReturnType<typeof openWindow>>[] = [];
    onCleanup(async () => {
      const faults: string[] = [];
      for (const window of windows) {
        faults.push(...(await window.faults()));
        await window.close();
      }
      expect(faults).toEqual([]);
    });
    return async (gateway, { as, path = "/", ...view } = {}) => {
      const window = await openWindow(browser, originOf(gateway), view);
      windows.push(window);
      if (as !== undefined) await signInAs(window.page, as);
      await window.page.goto(path);
      return window.page;
    };
  });
