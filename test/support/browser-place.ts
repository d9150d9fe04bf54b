// What tests of pages begin with: a place, gateways to sign in to, and a browser that is launched once a file. A window fails
// its test at the end if a page has done in it what none may.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf, newToken, type Role } from "../../src/access/tokens-lines.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { chromiumProgram, launchBrowser, openWindow, type Page, type View } from "./browser.ts";
import { test as base, type Place } from "./place.ts";
import type { GatewayProcess, Settings } from "./process.ts";

export const TOKENS: Readonly<Record<Role, string>> = {
  read: newToken(systemRandom),
  operate: newToken(systemRandom),
};

/** Settings of a gateway that shows nothing to visitors, and knows a token of each role. */
export function withTokens({ folder }: Pick<Place, "folder">): Settings {
  const file = join(folder, "tokens");
  const lines = Object.entries(TOKENS).map(([role, token]) => `${role}:${role}:${digestOf(token)}\n`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
  return { HTTP_TOKENS_FILE: file };
}

export interface Opening extends View {
  /** Signed in with a token of this role; a visitor unless given. */
  readonly as?: Role;
  readonly path?: string;
}

export type Open = (gateway: GatewayProcess, opening?: Opening) => Promise<Page>;

export const originOf = (gateway: GatewayProcess): string =>
  `http://${String(gateway.said("gateway.listening")[0]?.http)}`;

/** By the form of the page, as a person does. */
export async function signIn(page: Page, token: string): Promise<void> {
  await page.goto("/login");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}

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
      if (as !== undefined) await signIn(window.page, TOKENS[as]);
      await window.page.goto(path);
      return window.page;
    };
  });
