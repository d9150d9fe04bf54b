// Who may scrape: the same as may look. And every scrape is of its own moment.
import { expect, onTestFinished, test } from "vitest";
import { bearer, openHttpPlace } from "../support/http-place.ts";

const open = async (options: Parameters<typeof openHttpPlace>[0] = {}) => {
  const place = await openHttpPlace(options);
  onTestFinished(() => place.close());
  return place;
};

test("on loopback without a tokens file, everybody", async () => {
  const { ask } = await open();
  const { status, headers, body } = await ask("/metrics");
  expect([status, headers["content-type"]]).toEqual([200, "text/plain; version=0.0.4; charset=utf-8"]);
  expect(body).toContain("# TYPE mailonce_recipients_total counter\n");
});

test("with a tokens file, who has a token, as Prometheus sends it", async () => {
  const { ask, addToken } = await open({ withTokens: true });
  const refused = await ask("/metrics");
  expect([refused.status, refused.headers["www-authenticate"]]).toEqual([401, "Bearer"]);
  for (const role of ["read", "operate"] as const) {
    const token = await addToken(`the-${role}er`, role);
    expect((await ask("/metrics", { headers: bearer(token) })).status).toBe(200);
  }
});

test("not by a page of a stranger whose name leads here", async () => {
  const { ask } = await open();
  expect((await ask("/metrics", { headers: { Host: "rebound.example" } })).status).toBe(421);
});
