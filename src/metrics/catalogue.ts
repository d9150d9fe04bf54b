// Every metric: its name, its labels, what it says, and where its numbers come from. docs/metrics.md has the same words.
// Names, labels and their values are stable: alerts and boards depend on them.
import type { Counters } from "./counters.ts";
import type { Histogram } from "./histogram.ts";
import type { Metric, Row } from "./metric.ts";
import { processMetrics } from "./process.ts";
import type { LaneReading, Readings } from "./readings.ts";
import type { Family, Tally } from "./tally.ts";

const byLabel = (tally: Tally<string> | Tally<number>): Row[] =>
  [...tally.entries()].map(([label, count]) => [count, String(label)]);

const byTwo = (family: Family<Tally<string>>): Row[] =>
  [...family.entries()].flatMap(([first, tally]) =>
    [...tally.entries()].map(([second, count]): Row => [count, first, second]),
  );

const byFamily = (family: Family<Histogram>): Row<Histogram>[] =>
  [...family.entries()].map(([label, histogram]) => [histogram, label]);

/** Metrics that nothing would set are not there: those of another kind of ledger, of SES, of TLS. */
export function catalogueOf(counters: Counters, readings: Readings): Metric[] {
  const { remembered, shared, quotas, lastEventAt, certificates } = readings;
  return [
    ...aboutListeners(counters, readings),
    ...aboutSubmissions(counters),
    ...aboutDispatch(counters, readings),
    ...aboutLedger(counters, readings),
    ...(remembered === undefined ? [] : aboutEmbedded(remembered)),
    ...(shared === undefined ? [] : aboutShared(counters, shared)),
    ...aboutDisk(counters, readings),
    ...(quotas === undefined ? [] : aboutQuotas(quotas)),
    ...(lastEventAt === undefined ? [] : aboutEvents(counters, lastEventAt)),
    ...(certificates === undefined ? [] : aboutCertificates(certificates)),
    ...processMetrics(),
  ];
}

const aboutListeners = (counters: Counters, { version, nodeVersion }: Readings): Metric[] => [
  {
    ...{ name: "mailonce_build_info", kind: "gauge", labels: ["version", "node"] },
    help: "1, with the versions of mailonce and Node.js",
    read: () => [[1, version, nodeVersion]],
  },
  {
    ...{ name: "mailonce_smtp_connections", kind: "gauge", labels: ["listener"] },
    help: "Connections that are open now",
    read: () => byLabel(counters.connected),
  },
  {
    ...{ name: "mailonce_smtp_connections_total", kind: "counter", labels: ["listener", "result"] },
    help: "Connections that were let in, or turned away: by allowed_networks, after wrong passwords (blocked), or for want of a place (full)",
    read: () => byTwo(counters.connections),
  },
  {
    ...{ name: "mailonce_smtp_auth_total", kind: "counter", labels: ["result"] },
    help: "Passwords that were accepted, wrong, or not looked at (later)",
    read: () => byLabel(counters.authentications),
  },
  {
    ...{ name: "mailonce_smtp_replies_total", kind: "counter", labels: ["code"] },
    help: "Replies to clients, by their code",
    read: () => byLabel(counters.replies),
  },
];

const aboutSubmissions = (counters: Counters): Metric[] => [
  {
    ...{ name: "mailonce_submissions_total", kind: "counter", labels: ["code"] },
    help: "Mails whose content came to its end, by the code of the reply",
    read: () => byLabel(counters.submissions),
  },
  {
    ...{ name: "mailonce_submission_duration_seconds", kind: "histogram", labels: [] },
    help: "Time from the end of a content to its reply",
    read: () => [[counters.submissionSeconds]],
  },
  {
    ...{ name: "mailonce_recipients_total", kind: "counter", labels: ["verdict", "identity"] },
    help: "Recipients, by what was decided. Repeats are second mails that were prevented; identity is what their mail is known by",
    read: () => byTwo(counters.recipients),
  },
  {
    ...{ name: "mailonce_observed_recipients_total", kind: "counter", labels: ["verdict", "identity"] },
    help: "Recipients whose mail [identity] mode = observe has relayed and enforce would not, by what that would have decided",
    read: () => byTwo(counters.observed),
  },
];

const aboutDispatch = (counters: Counters, { lanes, now }: Readings): Metric[] => [
  {
    ...{ name: "mailonce_attempts_total", kind: "counter", labels: ["upstream", "outcome"] },
    help: "Calls of an upstream that ended, by how they ended",
    read: () => byTwo(counters.attempts),
  },
  {
    ...{ name: "mailonce_attempt_duration_seconds", kind: "histogram", labels: ["upstream"] },
    help: "Time of a call of an upstream",
    read: () => byFamily(counters.attemptSeconds),
  },
  {
    ...{ name: "mailonce_relay_delay_seconds", kind: "histogram", labels: ["upstream"] },
    help: "Time from the acceptance of a mail to that by its upstream; the label is the list that it goes by",
    read: () => byFamily(counters.relaySeconds),
  },
  {
    ...{ name: "mailonce_queue_transmissions", kind: "gauge", labels: ["upstream", "state"] },
    help: "Mails in the queue; the label is the list of upstreams that they go by",
    read: () => lanes().flatMap((lane) => STATES.map((state): Row => [lane[state].count, lane.name, state])),
  },
  {
    ...{ name: "mailonce_queue_oldest_age_seconds", kind: "gauge", labels: ["upstream", "state"] },
    help: "Of the mail that is longest in the queue: since its time came (due), or since it was accepted; 0 without a mail",
    read: () =>
      lanes().flatMap((lane) => STATES.map((state): Row => [ageOf(lane, state, now()), lane.name, state])),
  },
  {
    ...{ name: "mailonce_upstream_paused", kind: "gauge", labels: ["upstream"] },
    help: "1 while nothing is sent there, since it takes nothing or an operator has paused it",
    read: () => upstreamsOf(lanes()).map(({ name, pause }) => [pause === undefined ? 0 : 1, name]),
  },
  {
    ...{ name: "mailonce_upstream_rate_limit", kind: "gauge", labels: ["upstream"] },
    help: "Calls a second at most; +Inf without a limit",
    read: () =>
      upstreamsOf(lanes()).map(({ name, perSecond }) => [perSecond ?? Number.POSITIVE_INFINITY, name]),
  },
  {
    ...{ name: "mailonce_doubtful_resolved_total", kind: "counter", labels: ["by"] },
    help: "Doubts that policy, an operator or evidence from an upstream ended",
    read: () => byLabel(counters.doubtfulResolved),
  },
  {
    ...{ name: "mailonce_second_copies_total", kind: "counter", labels: [] },
    help: "Copies that an upstream has beside another one of the same mail, as far as that is proven, and without those that an operator ordered",
    read: () => [[counters.secondCopies.value]],
  },
  {
    ...{ name: "mailonce_notices_total", kind: "counter", labels: ["kind"] },
    help: "Reports to senders that entered the queue",
    read: () => byLabel(counters.notices),
  },
];

const STATES = ["due", "waiting", "held"] as const;

function ageOf(lane: LaneReading, state: (typeof STATES)[number], now: number): number {
  const { oldestAcceptedAt, oldestDueAt } = lane[state];
  const since = state === "due" ? oldestDueAt : oldestAcceptedAt;
  return since === undefined ? 0 : Math.max(0, now - since) / 1_000;
}

/** Each once, however many lists it is in. */
function upstreamsOf(lanes: readonly LaneReading[]): LaneReading["upstreams"] {
  const all = new Map<string, LaneReading["upstreams"][number]>();
  for (const { upstreams } of lanes)
    for (const one of upstreams) all.set(one.name, { ...all.get(one.name), ...one });
  return [...all.values()];
}

const aboutLedger = (counters: Counters, { ledger }: Readings): Metric[] => [
  {
    ...{ name: "mailonce_doubtful_ids", kind: "gauge", labels: [] },
    help: "Ids in doubt; of a shared ledger, those whose mail this gateway has",
    read: () => [[ledger().doubtful]],
  },
  {
    ...{ name: "mailonce_ledger_claims", kind: "gauge", labels: [] },
    help: "Ids whose mail is on its way",
    read: () => [[ledger().claims]],
  },
  {
    ...{ name: "mailonce_ledger_stale_total", kind: "counter", labels: [] },
    help: "Steps of a mail that changed nothing, since its claim had ended: an operator or another gateway was faster",
    read: () => [[counters.stale.value]],
  },
  {
    ...{ name: "mailonce_filter_lookups_total", kind: "counter", labels: ["answer"] },
    help: "Ids that the filter was asked for: certainly new, or found or not found where it said maybe",
    read: () => byLabel(counters.lookups),
  },
];

const aboutEmbedded = (remembered: NonNullable<Readings["remembered"]>): Metric[] => [
  {
    ...{ name: "mailonce_ledger_ids", kind: "gauge", labels: [] },
    help: "Relayed ids that are remembered",
    read: () => [[remembered().ids]],
  },
  {
    ...{ name: "mailonce_ledger_generations", kind: "gauge", labels: [] },
    help: "Spans of time in which the relayed ids lie",
    read: () => [[remembered().generations]],
  },
];

const aboutShared = (counters: Counters, shared: NonNullable<Readings["shared"]>): Metric[] => [
  {
    ...{ name: "mailonce_ledger_up", kind: "gauge", labels: [] },
    help: "1 while the database of the ledger answers this gateway",
    read: () => [[shared.isUp() ? 1 : 0]],
  },
  {
    ...{ name: "mailonce_ledger_call_duration_seconds", kind: "histogram", labels: [] },
    help: "Time of a call of the ledger's database, failed ones too",
    read: () => [[counters.ledgerSeconds]],
  },
  {
    ...{ name: "mailonce_ledger_takeovers_total", kind: "counter", labels: [] },
    help: "Ids taken over from a gateway that has ended",
    read: () => [[counters.takeovers.value]],
  },
  {
    ...{ name: "mailonce_gateways_alive", kind: "gauge", labels: [] },
    help: "Gateways that share the ledger, this one included",
    read: () => [[shared.gateways()]],
  },
];

const aboutDisk = (counters: Counters, { diskFree, memory }: Readings): Metric[] => [
  {
    ...{ name: "mailonce_commit_duration_seconds", kind: "histogram", labels: [] },
    help: "Time of a synced write to a store",
    read: () => [[counters.commitSeconds]],
  },
  {
    ...{ name: "mailonce_commit_batch_size", kind: "histogram", labels: [] },
    help: "Changes that shared a synced write",
    read: () => [[counters.commitSize]],
  },
  {
    ...{ name: "mailonce_storage_errors_total", kind: "counter", labels: ["store"] },
    help: "Failures of the disk, by the folder below the data folder",
    read: () => byLabel(counters.storageErrors),
  },
  {
    ...{ name: "mailonce_disk_free_bytes", kind: "gauge", labels: [] },
    help: "Room on the disk of the data folder",
    async read() {
      const free = await diskFree();
      return free === undefined ? [] : [[free]];
    },
  },
  {
    ...{ name: "mailonce_memory_budget_bytes", kind: "gauge", labels: ["kind"] },
    help: "Memory for contents that are being received, and of attempts under way: what is taken, and what may be (_max)",
    read: () => Object.entries(memory()).map(([kind, octets]) => [octets, kind]),
  },
];

const aboutQuotas = (quotas: NonNullable<Readings["quotas"]>): Metric[] => [
  {
    ...{ name: "mailonce_ses_quota_max", kind: "gauge", labels: ["upstream"] },
    help: "Recipients in 24 hours that SES allows the account; +Inf without a limit; absent until it is known",
    read: () => quotas().map(([upstream, { max }]) => [max, upstream]),
  },
  {
    ...{ name: "mailonce_ses_quota_remaining", kind: "gauge", labels: ["upstream"] },
    help: "Recipients that are left of it, as SES said last: within five minutes while mail is sent",
    read: () => quotas().map(([upstream, { remaining }]) => [remaining, upstream]),
  },
];

const aboutEvents = (counters: Counters, lastEventAt: NonNullable<Readings["lastEventAt"]>): Metric[] => [
  {
    ...{ name: "mailonce_events_total", kind: "counter", labels: ["type"] },
    help: "Messages of the queue of SES's events, by what became of them; what has to wait counts each time that it is judged",
    read: () => byLabel(counters.events),
  },
  {
    ...{ name: "mailonce_events_last_received_timestamp_seconds", kind: "gauge", labels: [] },
    help: "When an event of a mail of this ledger was read last, seconds since the epoch; absent until one is",
    read() {
      const at = lastEventAt();
      return at === undefined ? [] : [[at / 1_000]];
    },
  },
];

const aboutCertificates = (certificates: NonNullable<Readings["certificates"]>): Metric[] => [
  {
    ...{ name: "mailonce_tls_certificate_not_after_timestamp_seconds", kind: "gauge", labels: ["listener"] },
    help: "When the certificate that clients get ends, seconds since the epoch",
    read: () => certificates().map(([listener, notAfter]) => [notAfter / 1_000, listener]),
  },
];
