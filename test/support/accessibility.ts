// What axe-core finds on a page. It is imported here and nowhere else.
import axe from "axe-core";
import type { Page } from "./browser.ts";

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
