// Debian's Chromium, which opens pages of a gateway and notes what none of them may do. playwright-core is imported here and
// nowhere else.
import { type Browser, chromium, type Locator, type Page, type Request } from "playwright-core";
import { findProgram } from "./peers.ts";

export type { Browser, Locator, Page };

/** Undefined where it is missing. */
export const chromiumProgram = findProgram("chromium-headless-shell") ?? findProgram("chromium");

export const SCHEMES = ["light", "dark"] as const;

export interface View {
  readonly scheme?: (typeof SCHEMES)[number];
  /** CSS pixels. */
  readonly width?: number;
  readonly height?: number;
  /** False is a browser without script. */
  readonly script?: boolean;
}

/** A window with cookies of its own. */
export interface Window {
  readonly page: Page;
  /** What no page of a gateway may do, of all that was shown in the window. */
  faults(): Promise<string[]>;
  close(): Promise<void>;
}

/** Closed by whoever launches it. @param program the path of Chromium */
export const launchBrowser = (program: string): Promise<Browser> =>
  chromium.launch({
    executablePath: program,
    headless: true,
    args: [
      "--disable-background-networking",
      "--disable-component-update",
      // Its own sandbox refuses root.
      ...(process.getuid?.() === 0 ? ["--no-sandbox"] : []),
    ],
  });

/** @param origin of the gateway; paths are below it */
export async function openWindow(
  browser: Browser,
  origin: string,
  { scheme = "light", width = 1280, height = 800, script = true }: View = {},
): Promise<Window> {
  const context = await browser.newContext({
    ...{ baseURL: origin, colorScheme: scheme, viewport: { width, height } },
    javaScriptEnabled: script,
  });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on("dialog", (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on("pageerror", (error) => faults.push(`script: ${error.message}`));
  page.on("console", (message) => {
    // An answer other than 200 is a test's own affair; what the policy forbids is not.
    if (message.type() !== "error" || message.text().startsWith("Failed to load resource")) return;
    // The HTML of a mail may want anything. That it gets nothing is what this says.
    const isForeign = /\/outbox\/[^/]+\/html/.test(message.text() + message.location().url);
    if (!isForeign) faults.push(`console: ${message.text()}`);
  });
  page.on("popup", (popup) => faults.push(`window: ${popup.url()}`));
  const asked = new Set<Request>();
  context.on("request", (request) => {
    if (new URL(request.url()).origin !== origin) asked.add(request);
  });
  // The policy has stopped it in the browser; nothing was sent.
  context.on("requestfailed", (request) => {
    if (request.failure()?.errorText === "csp") asked.delete(request);
  });
  return {
    page,
    async faults() {
      for (const frame of page.frames())
        if (await frame.evaluate("window.__ran !== undefined")) faults.push(`ran: ${frame.url()}`);
      return [...faults, ...[...asked].map((request) => `elsewhere: ${request.url()}`)];
    },
    close: () => context.close(),
  };
}
