// What pages load beside themselves: style, script, icon. The files are beside this one, as they are.
import { readFile } from "node:fs/promises";
import type { Route } from "../http/route.ts";

const SCRIPT = "text/javascript; charset=utf-8";

const FILES = {
  "pages.css": "text/css; charset=utf-8",
  "live.js": SCRIPT,
  "done.js": SCRIPT,
  "focus.js": SCRIPT,
  "kept.js": SCRIPT,
  "once.js": SCRIPT,
  "stream.js": SCRIPT,
  "icon.svg": "image/svg+xml",
} as const;

/** They are read at once, so that a gateway whose files are replaced while it runs has the ones it was started with. */
export const assetRoutes = (): Route[] =>
  Object.entries(FILES).map(([name, contentType]) => {
    const read = readFile(new URL(`./assets/${name}`, import.meta.url), "utf8");
    // Who asks for it is told.
    read.catch(() => {});
    return {
      ...{ method: "GET", path: `/assets/${name}`, needs: "nobody" },
      answer: async () => ({ kind: "text", text: await read, contentType }),
    };
  });
