// Tokens of a gateway that shows nothing to visitors, and how a person signs in with one.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { digestOf, newToken, type Role } from "../../src/access/tokens-lines.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import type { Page } from "./browser.ts";

export const TOKENS: Readonly<Record<Role, string>> = {
  read: newToken(systemRandom),
  operate: newToken(systemRandom),
};

/** Settings of a gateway that knows a token of each role. */
export function withTokens({ folder }: { readonly folder: string }): { HTTP_TOKENS_FILE: string } {
  const file = join(folder, "tokens");
  const lines = Object.entries(TOKENS).map(([role, token]) => `${role}:${role}:${digestOf(token)}\n`);
  writeFileSync(file, lines.join(""), { mode: 0o600 });
  return { HTTP_TOKENS_FILE: file };
}

/** By the form of the page. */
export async function signInAs(page: Page, role: Role): Promise<void> {
  await page.goto("/login");
  await page.getByLabel("Token").fill(TOKENS[role]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
}
