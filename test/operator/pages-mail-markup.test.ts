// Markup of strangers in what the page of a mail shows: it is text there, and runs nowhere.
import { expect, onTestFinished, test } from "vitest";
import type { Explained } from "../../src/operator/explain/words.ts";
import type { OperatorParts } from "../../src/operator/routes/parts.ts";
import { NO_PARTS, type Reply } from "../support/http-place.ts";
import { HOSTILE, openPages, type PagesPlace, textOf } from "../support/pages-place.ts";

async function open(parts: Partial<OperatorParts>): Promise<PagesPlace> {
  const pages = await openPages(parts);
  onTestFinished(pages.close);
  return pages;
}

const ID = "a".repeat(32) as Explained["id"];
const at = "2026-11-27T10:00:00.000Z";
const HELD: Explained = {
  ...{ id: ID, answer: `Held: ${HOSTILE}` },
  ledger: { state: "doubtful", holder: "here", gateway: HOSTILE, fault: HOSTILE },
  mail: {
    ...{ id: ID, messageId: HOSTILE, submission: HOSTILE, state: "held", hold: "doubt", doubtful: true },
    ...{ recipient: HOSTILE, reversePath: HOSTILE, attempts: 1, upstream: HOSTILE, task: HOSTILE },
    ...{
      user: HOSTILE,
      size: 1,
      lastReply: HOSTILE,
      lastUpstream: HOSTILE,
      client: HOSTILE,
      lost: HOSTILE,
    },
  },
  timeline: [
    {
      ...{ kind: "accepted", at, submission: HOSTILE, task: HOSTILE, client: HOSTILE, user: HOSTILE },
      ...{ reversePath: HOSTILE, recipient: HOSTILE },
    },
    { kind: "attempt", at, upstream: HOSTILE, outcome: "doubtful", reply: HOSTILE, upstreamId: HOSTILE },
    { kind: "repeats", at, count: 2 },
    { kind: "ended", at, reason: "lost", cause: HOSTILE },
    { kind: "decision", at, decision: HOSTILE, reason: HOSTILE, next: HOSTILE },
  ],
};
const refusing: Partial<OperatorParts> = {
  explain: { ...NO_PARTS.explain, explain: async () => HELD },
  doubtful: { ...NO_PARTS.doubtful, resolve: async () => ({ ok: false, fault: HOSTILE }) },
};

/** Every text is there, and none of it is markup. */
function expectEscaped(page: Reply, times: number): void {
  expect(page.body).not.toMatch(/<img|<script>|onerror=alert\(1\)>/);
  expect(page.body.split("&lt;img src=x onerror=alert(1)&gt;").length - 1).toBe(times);
  expect(page.headers["content-security-policy"]).toContain("default-src 'self'");
}

test("runs nowhere on the page of a mail, nor where a decision is refused", async () => {
  const pages = await open(refusing);
  expectEscaped(await pages.read(`/mails/${ID}`), 23);
  expectEscaped(await pages.operate(`/mails/${ID}`), 25);
  const refused = await pages.send(`/mails/${ID}/relayed`);
  expect(refused.status).toBe(409);
  expectEscaped(refused, 26);
});

test("runs nowhere in a header, which is cut when it is long", async () => {
  async function* header() {
    yield Buffer.from(`Subject: ${HOSTILE}\r\n`);
    for (let n = 0; n < 70; n++) yield Buffer.from("x".repeat(1_024));
  }
  const queue = { ...NO_PARTS.queue, content: async () => header() };
  const pages = await open({ ...refusing, queue });
  const page = await pages.read(`/mails/${ID}/header`);
  expectEscaped(page, 1);
  const [, shown = ""] = /<pre>(.*)<\/pre>/s.exec(page.body) ?? [];
  expect(textOf({ ...page, body: shown }).length).toBeLessThanOrEqual(65_536);
  expect(textOf(page)).toContain("This is cut after 65,536 octets.");
});

test("in the query is not shown", async () => {
  const pages = await open(refusing);
  for (const done of [HOSTILE, "constructor", "your password has expired"]) {
    const page = await pages.operate(`/mails/${ID}?done=${encodeURIComponent(done)}`);
    expect(page.body).not.toMatch(/role="status"|expired|<img/);
  }
});
