// The table of routes in docs/operating.md has each route of the API, with who may ask it.
import { expect, test } from "vitest";
import type { Route } from "../../src/operator/http/route.ts";
import { apiRoutes } from "../../src/operator/routes/routes.ts";
import { read, rowsOf } from "./tables.ts";

const WHO: Readonly<Record<Route["needs"], string>> = {
  nobody: "everybody",
  visitor: "visitors",
  read: "read",
  operate: "operate",
};

/** "`POST /api/v1/queue/retry`, `/hold`": those that share a row differ in the last part of the path. */
function routesIn(cell: string): string[] {
  const [first = "", ...others] = [...cell.matchAll(/`([^`?]+)(?:\?[^`]*)?`/g)].map(([, text = ""]) => text);
  const before = first.slice(0, first.lastIndexOf("/"));
  return [first, ...others.map((text) => (text.includes(" ") ? text : `${before}${text}`))];
}

test("each route of the API is there, with who may ask", () => {
  const rows = rowsOf(read("docs/operating.md")).filter(({ heading }) => heading === "Routes");
  const shown = rows.flatMap(({ cells: [route = "", who = ""] }) =>
    routesIn(route).map((one) => `${one.replace("/ID", "/:id")}: ${who}`),
  );
  const signIn = ["GET /login: everybody", "POST /login: everybody", "POST /logout: everybody"];
  const routes = apiRoutes({ phase: () => "starting", parts: () => undefined }, () => 0);
  const known = routes.map(({ method, path, needs }) => `${method} ${path}: ${WHO[needs]}`);
  expect([...new Set(shown)].sort()).toEqual([...known, ...signIn].sort());
});
