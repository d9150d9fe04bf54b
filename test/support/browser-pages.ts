// Every page that there is, for what must hold of all of them.
import type { Page } from "./browser.ts";

/** Those that have a path of their own. */
export const PATHS = ["/", "/upstreams"] as const;

/** Shows what is folded up, so that it is looked at too. */
export const unfold = (page: Page): Promise<unknown> =>
  page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");
