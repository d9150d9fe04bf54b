// A path at which there is nothing: a page for a browser, and JSON for a program.
import { expect, test } from "vitest";
import { openHttpPlace, type Reply } from "../support/http-place.ts";
import { closed, HOSTILE, textOf } from "../support/pages-place.ts";

const CHROMIUM = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8";

const typeOf = ({ headers }: Reply): string | undefined => headers["content-type"]?.split(";")[0];

test("a browser gets a page that names the path, and leads home", async () => {
  const { ask } = closed(await openHttpPlace());
  const page = await ask("/no/such-page", { headers: { Accept: CHROMIUM } });
  expect([page.status, typeOf(page)]).toEqual([404, "text/html"]);
  expect(textOf(page)).toContain("Not found there is nothing at /no/such-page Overview");
  expect(page.body).toContain('<p><a href="/">Overview</a></p>');
  expect(page.body).toContain("<nav ");
  const post = await ask("/queue/retry", { headers: { Accept: CHROMIUM } });
  expect([post.status, typeOf(post), post.headers.allow]).toEqual([405, "text/html", "POST"]);
  expect(textOf(post)).toContain("/queue/retry takes POST");
});

test.each([
  ["what names no type", "/none", {}],
  ["what takes anything", "/none", { Accept: "*/*" }],
  ["what wants JSON first", "/none", { Accept: "application/json, text/html;q=0.9" }],
  ["what takes both alike", "/none", { Accept: "application/json, text/html" }],
  ["what refuses HTML", "/none", { Accept: "text/html;q=0, */*" }],
  ["a browser that asks the API", "/api/v1/none", { Accept: CHROMIUM }],
])("%s gets JSON", async (_, path, headers) => {
  const { ask } = closed(await openHttpPlace());
  const lost = await ask(path, { headers });
  expect([lost.status, typeOf(lost)]).toEqual([404, "application/problem+json"]);
  expect(JSON.parse(lost.body)).toEqual({
    ...{ status: 404, title: "Not found", detail: `there is nothing at ${path}` },
  });
});

test("who came by a name of a stranger learns nothing", async () => {
  const { ask } = closed(await openHttpPlace());
  const lost = await ask("/none", { headers: { Accept: CHROMIUM, Host: "evil.example" } });
  expect([lost.status, lost.body.includes("/none")]).toEqual([421, false]);
});

test("markup in a path is text", async () => {
  const { ask } = closed(await openHttpPlace());
  for (const path of [`/${encodeURIComponent(HOSTILE)}`, `/<img src=x>"'&`.replaceAll(" ", "%20")]) {
    const page = await ask(path, { headers: { Accept: CHROMIUM } });
    expect(page.status).toBe(404);
    expect(page.body).not.toMatch(/<img|<script>|onerror=alert\(1\)>/);
  }
});
