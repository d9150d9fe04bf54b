// Every page that there is, for what must hold of all of them.
import type { Page } from "./browser.ts";

/** Those of visitors that have a path of their own. */
const PATHS = ["/", "/queue", "/doubtful", "/upstreams", "/search"] as const;

/** Shows what is folded up, so that it is looked at too. */
export const unfold = (page: Page): Promise<unknown> =>
  page.evaluate("for (const one of document.querySelectorAll('details')) one.open = true");

/** Where the links to mails lead, each once. */
async function mailsOn(page: Page, path: string): Promise<string[]> {
  await page.goto(path);
  const links = await page.locator("main tbody th a").all();
  const paths = await Promise.all(links.map((link) => link.getAttribute("href")));
  return [...new Set(paths.flatMap((one) => one ?? []))];
}

/** The paths of all pages of a scene that a visitor may see: a mail of each kind among them. */
export async function visitedPaths(page: Page): Promise<string[]> {
  const [waiting = "", held = ""] = [
    ...(await mailsOn(page, "/queue?state=waiting")).slice(0, 1),
    ...(await mailsOn(page, "/queue?state=held")).slice(0, 1),
  ];
  return [...PATHS, waiting, held];
}

/** Those of the role read. */
export async function readPaths(page: Page): Promise<string[]> {
  const visited = await visitedPaths(page);
  const [outboxMail = ""] = await mailsOn(page, "/outbox");
  await page.goto(outboxMail);
  const relayed = (await page.getByRole("link", { name: "What happened to it" }).getAttribute("href")) ?? "";
  const mails = ["", "?show=html", "?show=source"].map((view) => `${outboxMail}${view}`);
  await page.goto("/queue");
  const reader = (await page.locator("main tbody th a").first().textContent()) ?? "";
  const searches = [reader, "none-such"].map((text) => `/search?q=${encodeURIComponent(text)}`);
  return [...visited, ...searches, "/outbox", ...mails, relayed, `${visited.at(-1)}/header`];
}
