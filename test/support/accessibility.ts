// What axe-core finds on a page, and whether it fits the window. axe-core is imported here and nowhere else.
import axe from "axe-core";
import { expect } from "vitest";
import type { Page } from "./browser.ts";
import { unfold } from "./browser-pages.ts";

/** Of a telephone, and of a screen. */
export const WIDTHS = [360, 1280] as const;

/** axe-core finds nothing, and nothing is wider than the window. */
export async function look(page: Page): Promise<void> {
  await unfold(page);
  const path = page.url();
  expect([path, await violationsOn(page)]).toEqual([path, []]);
  const wide = await page.evaluate<[number, number]>("[document.documentElement.scrollWidth, innerWidth]");
  expect([path, wide[0] <= wide[1], wide]).toEqual([path, true, wide]);
}

/** A line for each element that breaks a rule; of every rule that axe-core has but its experiments. */
export async function violationsOn(page: Page): Promise<string[]> {
  // Debugging is not bound by the page's policy, which stays as it is.
  await page.evaluate(axe.source);
  const found = await page.evaluate<Pick<axe.AxeResults, "violations" | "passes">>("axe.run()");
  if (found.passes.length === 0) throw new Error("axe-core has looked at nothing");
  return found.violations.flatMap(({ id, help, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${help}: ${html} ${failureSummary ?? ""}`),
  );
}
