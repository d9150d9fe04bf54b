// What an operator should know, the worst first, and what to do about it.
import { expect, test } from "vitest";
import { loadConfig } from "../../src/config/config.ts";
import { viewsOf } from "../../src/config/routes.ts";
import type { LaneFacts } from "../../src/dispatch/lane-facts.ts";
import type { PauseFacts } from "../../src/dispatch/pause.ts";
import { adviceFor, adviceForEvents } from "../../src/operator/status/advice.ts";
import { type TroubleFacts, troublesOf } from "../../src/operator/status/troubles.ts";

const NOW = Date.parse("2026-11-27T12:00:00.000Z");
const MINUTE_MS = 60_000;
const DAY_MS = 24 * 60 * MINUTE_MS;
const ago = (ms: number): string => new Date(NOW - ms).toISOString();

const SMTP = { MAILONCE_UPSTREAM_KIND: "smtp", MAILONCE_UPSTREAM_SMTP_HOST: "smtp.example.com" };
const viewOf = (environment: Readonly<Record<string, string>>) => {
  const [view] = viewsOf(loadConfig({ environment: { ...environment } }));
  if (view === undefined) throw new Error("no upstream");
  return view;
};

const pauseOf = (by: PauseFacts["by"], since = MINUTE_MS, reason = "a reply"): PauseFacts => ({
  ...{ by, since: NOW - since, reason, firstReason: reason },
});

const laneOf = (name: string, facts: Partial<LaneFacts> = {}): LaneFacts => ({
  name,
  upstreams: name.split(", ").map((one) => ({ name: one, place: `smtp ${one}` })),
  ...{ due: { count: 0 }, waiting: { count: 0 }, underway: { count: 0 } },
  held: { count: 0, byDoubt: 0, byOperator: 0 },
  ...facts,
});

const WELL: TroubleFacts = {
  ...{ now: NOW, lanes: [laneOf("relay")], upstreams: [], diskFault: undefined, isLedgerUp: true },
  disk: { free: 1e12, minimum: 1e8 },
  ...{ drainingSince: undefined, events: [], quotas: [], certificates: [] },
};

test("none: nothing", () => {
  expect(troublesOf(WELL)).toEqual([]);
});

test("all at once: the worst first, and what degrades is marked", () => {
  const pause = pauseOf("upstream");
  const failing = { name: "relay", place: "smtp relay", pause };
  const all = troublesOf({
    ...WELL,
    lanes: [
      laneOf("slow", { due: { count: 5, oldestDueAt: NOW - 10 * MINUTE_MS } }),
      laneOf("relay", { upstreams: [failing], pause }),
      laneOf("black", { silence: { since: NOW - 61_000, reason: "no attempt has been answered" } }),
      laneOf("other", {
        upstreams: [{ name: "other", place: "smtp other", pause: pauseOf("operator") }],
        held: {
          ...{ count: 4, byDoubt: 3, byOperator: 1, oldestAcceptedAt: NOW - 5 * MINUTE_MS },
          ...{ listening: { count: 1, until: NOW + MINUTE_MS }, oldestUndecidedAt: NOW - MINUTE_MS },
        },
      }),
    ],
    ...{ diskFault: "the disk of the data folder is too full to take mail", isLedgerUp: false },
    drainingSince: NOW - 5,
    quotas: [{ name: "ses", max: 1_000, sent: 901 }],
    events: [
      {
        queue: "mailonce",
        silent: { since: NOW - MINUTE_MS, reason: "AccessDenied: not authorized", call: "receive" },
      },
    ],
    certificates: [
      { listener: "smtp", names: ["a.example"], notAfter: NOW + 13 * DAY_MS },
      { listener: "http", names: ["b.example"], notAfter: NOW },
    ],
  });
  expect(all.map(({ kind, degrades }) => `${kind}${degrades ? "" : " (all the same)"}`)).toEqual([
    ...["storage", "ledger", "upstream", "silent", "draining", "operator", "late"],
    ...[
      "events (all the same)",
      "held (all the same)",
      "certificate (all the same)",
      "certificate",
      "quota (all the same)",
    ],
  ]);
  expect(all.find(({ kind }) => kind === "upstream")).toMatchObject({
    ...{ upstream: "relay", text: "relay has taken nothing", since: ago(MINUTE_MS), reason: "a reply" },
  });
  expect(all.find(({ kind }) => kind === "late")).toMatchObject({
    since: ago(10 * MINUTE_MS),
    upstream: "slow",
  });
  expect(all.find(({ kind }) => kind === "held")).toMatchObject({
    ...{ text: "2 mails in doubt wait for a decision", since: ago(MINUTE_MS) },
  });
  expect(all.find(({ kind }) => kind === "quota")?.text).toBe("ses takes 99 more of 1,000 mails in 24 hours");
});

test("events that can't be read or removed, are late, or are of another ledger too", () => {
  const silent = { since: NOW - MINUTE_MS, reason: "QueueDoesNotExist: no such queue", call: "receive" };
  const denied = { since: NOW - MINUTE_MS, reason: "AccessDenied: no", call: "remove" };
  const found = troublesOf({
    ...WELL,
    events: [
      { queue: "one", silent },
      { queue: "two", shared: { with: "another", seenAt: NOW - 10 * MINUTE_MS } },
      { queue: "three", shared: { with: "another", seenAt: NOW - 10 * MINUTE_MS - 1 } },
      { queue: "four", silent: denied, behind: { ms: 17 * MINUTE_MS, waitMs: 5 * MINUTE_MS } },
      { queue: "five", heldUpSince: NOW - MINUTE_MS + 1 },
      { queue: "six", heldUpSince: NOW - MINUTE_MS },
    ],
  });
  expect(found).toEqual([
    {
      ...{
        kind: "events",
        degrades: false,
        text: "the events of SES can't be read, so doubt is not settled",
      },
      ...{ since: ago(MINUTE_MS), reason: "one: QueueDoesNotExist: no such queue" },
      todo: "Make the queue, or correct ses.events.queue_url and restart the gateway",
    },
    {
      ...{ kind: "events", degrades: false, text: "a queue of SES's events is shared with another ledger" },
      reason: "two has events of mails that carry mailonce-ledger=another",
      todo: "Give each ledger a configuration set, a topic and a queue of its own: docs/ses-events.md",
    },
    {
      ...{
        kind: "events",
        degrades: false,
        text: "the events of SES are read, but not removed from their queue, so they come again",
      },
      ...{ since: ago(MINUTE_MS), reason: "four: AccessDenied: no" },
      todo: "Allow these credentials to use the queue: `mailonce check-config --online` names the rights",
    },
    {
      ...{
        kind: "events",
        degrades: false,
        text: "the events of SES are 17 min behind, and doubt waits 5 min for them",
      },
      reason: "what was read last had been in four for so long",
      todo: "It catches up by itself; a longer ses.events.wait keeps doubt from policy until then: docs/ses-events.md",
    },
    {
      ...{
        kind: "events",
        degrades: false,
        text: "the events of SES wait for the ledger, so doubt is not settled",
      },
      ...{
        since: ago(MINUTE_MS),
        reason: "the ledger can't be asked about what came from six, or can't write",
      },
      todo: "Nothing is lost: they are read when the ledger or its disk can be used again",
    },
  ]);
});

test.each([
  ["AccessDeniedException: not authorized to perform sqs:receivemessage", /names the rights$/],
  ["QueueDoesNotExist: The specified queue does not exist.", /^Make the queue/],
  ["RequestThrottled: Too many requests.", /^Mail goes on/],
  [
    "UnrecognizedClientException: The security token included in the request is invalid.",
    /^Correct the AWS credentials/,
  ],
  ["Error: getaddrinfo ENOTFOUND sqs.eu-west-1.amazonaws.com", /^Repair the network/],
  ["Error: connect ECONNREFUSED 127.0.0.1:9", /^Repair the network/],
  ["ServiceUnavailable: Service Unavailable", /tests it; mailonce goes on by itself$/],
])("advice about events: %s", (reason, advice) => {
  expect(adviceForEvents(reason)).toMatch(advice);
});

test("of several that fail the one with most mail is first, once, since its oldest pause", () => {
  const failing = (name: string, since: number) => ({ name, place: name, pause: pauseOf("upstream", since) });
  const found = troublesOf({
    ...WELL,
    lanes: [
      laneOf("a", { upstreams: [failing("a", 5_000)], due: { count: 3 }, pause: pauseOf("upstream") }),
      laneOf("b", { upstreams: [failing("b", 1_000)], waiting: { count: 2 }, due: { count: 2 } }),
      laneOf("a, c", { upstreams: [failing("a", 9_000), { name: "c", place: "c" }] }),
    ],
  });
  expect(found.map(({ text, since }) => `${text} since ${since}`)).toEqual([
    `b has taken nothing since ${ago(1_000)}`,
    `a has taken nothing since ${ago(9_000)}`,
  ]);
});

test("mail in doubt that waits for evidence needs nobody", () => {
  const listening = { count: 2, until: NOW + MINUTE_MS };
  const held = { count: 2, byDoubt: 2, byOperator: 0, oldestAcceptedAt: NOW - MINUTE_MS, listening };
  expect(troublesOf({ ...WELL, lanes: [laneOf("ses", { held }), laneOf("relay")] })).toEqual([]);
});

test("just below: nothing", () => {
  expect(
    troublesOf({
      ...WELL,
      lanes: [laneOf("slow", { due: { count: 5, oldestDueAt: NOW - 10 * MINUTE_MS + 1 } })],
      disk: { free: 2e8, minimum: 1e8 },
      quotas: [{ name: "ses", max: 1_000, sent: 900 }],
      certificates: [{ listener: "smtp", names: ["a.example"], notAfter: NOW + 14 * DAY_MS }],
    }),
  ).toEqual([]);
  expect(troublesOf({ ...WELL, disk: { free: 2e8 - 1, minimum: 1e8 } })).toMatchObject([
    { kind: "space", degrades: false },
  ]);
  expect(troublesOf({ ...WELL, disk: { free: undefined, minimum: 1e8 } })).toEqual([]);
});

test("a paused lane is not late too, and the disk's pause is the disk's", () => {
  const late = { count: 5, oldestDueAt: NOW - DAY_MS };
  const lanes = [laneOf("relay", { due: late, pause: pauseOf("storage", 7_000, "no space left on device") })];
  expect(troublesOf({ ...WELL, lanes })).toMatchObject([
    { kind: "storage", since: ago(7_000), reason: "no space left on device" },
  ]);
});

test.each([
  [SMTP, "535 5.7.8 authentication failed", /^Correct upstream\.smtp\.username or password and restart/],
  [SMTP, "getaddrinfo ENOTFOUND smtp.example.com", /^Correct upstream\.smtp\.host/],
  [SMTP, "connect ECONNREFUSED 127.0.0.1:1", /^Start the server, then `mailonce resume upstream`/],
  [SMTP, "self-signed certificate", /ca_file/],
  [SMTP, "421 too busy", /^`mailonce check-config --online` tests it/],
  [{ MAILONCE_UPSTREAM_KIND: "ses" }, "Error: Region is missing", /^Correct upstream\.ses\.region/],
  [
    { MAILONCE_UPSTREAM_KIND: "ses" },
    "InvalidSignatureException: The signature does not match",
    /AWS credentials/,
  ],
  [
    { MAILONCE_UPSTREAM_KIND: "ses" },
    "SendingPausedException: Sending is paused",
    /^Have AWS resume sending/,
  ],
  [{ MAILONCE_UPSTREAM_KIND: "ses" }, "AccessDeniedException: Not authorized", /^Allow these credentials/],
  [
    { MAILONCE_UPSTREAM_KIND: "ses" },
    "AccessDeniedException: not authorized to perform ses:SendEmail on arn:aws:ses:eu-west-1:1:configuration-set/x",
    /^Allow these credentials to send with that configuration set/,
  ],
  [
    { MAILONCE_UPSTREAM_KIND: "ses" },
    "TooManyRequestsException: Daily message quota exceeded.",
    /larger quota/,
  ],
  [{}, "EACCES: permission denied, mkdir '/outbox'", /^Let the gateway's user write/],
])("advice %#: %s", (environment, reply, advice) => {
  expect(adviceFor(viewOf(environment), reply)).toMatch(advice);
});
