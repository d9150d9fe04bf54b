// Orders by the forms of the page, and what a running gateway makes of them.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { digestOf, newToken } from "../../src/access/tokens-lines.ts";
import { gatewayQueue } from "../../src/operator/http/queue-client.ts";
import type { QueueEntry } from "../../src/operator/queue/words.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { askAt, bearer, httpPortOf } from "../support/http-place.ts";
import { test as testWithPlace } from "../support/place.ts";
import { type Fields, formWith, recipientsIn } from "../support/queue-pages.ts";
import { openSite, type Site } from "../support/site.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const token = newToken(systemRandom);
const test = testWithPlace.extend("site", ({ place }) => {
  const file = join(place.folder, "tokens");
  writeFileSync(file, `ann:operate:${digestOf(token)}\n`, { mode: 0o600 });
  const refuse = (to: string) => `450 4.7.1 <${to}>: greylisted`;
  const settings = { SPOOL_RETRY_MIN: "1h", SPOOL_RETRY_MAX: "1h", HTTP_PORT: 0, HTTP_TOKENS_FILE: file };
  return openSite(place, { refuse, keepContents: true }, settings);
});

const ask = ({ gateway }: Site, path: string, fields?: Fields) => {
  const headers = bearer(token);
  return askAt(httpPortOf(gateway), path, fields === undefined ? { headers } : formWith(fields, headers));
};

async function fill(site: Site, count: number): Promise<readonly QueueEntry[]> {
  for (let at = 0; at < count; at++) {
    await submitMail(site.gateway.port, { to: [`r${at}@one.example`], content: taskMail(randomUUID()) });
  }
  await site.gateway.logged("transmission.refused", count);
  return (await gatewayQueue(site.data).list({}, { limit: 100 })).items;
}

test("a retry of one cause attempts each of its mails", async ({ site }) => {
  await fill(site, 3);
  const { body } = await ask(site, "/queue");
  const [, ids = ""] = /name="id" value="([^"]*)"><button id="[^"]*">Retry 3</.exec(body) ?? [];
  expect(body).toContain("&lt;…&gt;: greylisted");
  const posted = await ask(site, "/queue/retry", [["id", ids]]);
  expect(posted.headers.location).toBe("/queue?done=retry&count=3");
  await site.gateway.logged("transmission.refused", 6);
  expect(site.gateway.said("operator.retried")).toMatchObject([{ by: "ann" }, { by: "ann" }, { by: "ann" }]);
});

test("mails are held, released, refused and removed", async ({ site }) => {
  const [one, two, three] = (await fill(site, 3)) as [QueueEntry, QueueEntry, QueueEntry];
  await ask(site, "/queue/hold", [
    ["id", one.id],
    ["id", two.id],
    ["id", three.id],
  ]);
  expect(recipientsIn(await ask(site, "/queue?state=held"))).toHaveLength(3);
  const retried = await ask(site, "/queue/retry", [["id", one.id]]);
  expect(retried.headers.location).toBe("/queue?done=retry&count=0&held=1");
  const released = await ask(site, "/queue/release", [
    ["id", one.id],
    ["state", "held"],
  ]);
  expect(released.headers.location).toBe("/queue?state=held&done=release&count=1");
  await site.gateway.logged("transmission.refused", 4);
  await ask(site, "/queue/bounce", [
    ["id", two.id],
    ["reason", "a test address"],
  ]);
  expect(site.gateway.said("operator.bounced")).toMatchObject([
    { id: two.id, by: "ann", reason: "a test address" },
  ]);
  await ask(site, "/queue/remove", [
    ["id", three.id],
    ["yes", "yes"],
  ]);
  expect(site.gateway.said("operator.removed")).toMatchObject([{ id: three.id, by: "ann" }]);
  const again = await ask(site, "/queue/remove", [
    ["id", three.id],
    ["yes", "yes"],
  ]);
  expect(again.headers.location).toBe("/queue?done=remove&count=0&absent=1");
});
