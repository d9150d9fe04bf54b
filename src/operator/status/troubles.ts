// What an operator should know of a gateway, the worst first: in plain words, since when, and what to do. Pure.
import type { LaneFacts, UpstreamFacts } from "../../dispatch/lane-facts.ts";
import { countOf } from "../../runtime/amounts.ts";
import { type AdvisedUpstream, adviceFor } from "./advice.ts";
import { type EventsFacts, eventTroubles } from "./event-troubles.ts";
import type { Trouble } from "./schema.ts";

export interface TroubleFacts {
  readonly now: number;
  readonly lanes: readonly LaneFacts[];
  readonly upstreams: readonly AdvisedUpstream[];
  /** What the disk of the data folder can't do. */
  readonly diskFault: string | undefined;
  readonly disk: { readonly free: number | undefined; readonly minimum: number };
  readonly isLedgerUp: boolean;
  /** Milliseconds since the epoch; absent while it does not drain. */
  readonly drainingSince: number | undefined;
  readonly quotas: readonly { readonly name: string; readonly max: number; readonly sent: number }[];
  readonly events: readonly EventsFacts[];
  readonly certificates: readonly {
    readonly listener: string;
    readonly names: readonly string[];
    readonly notAfter: number;
  }[];
}

/** What is due for longer is late: an upstream that is up takes minutes for tens of thousands of mails. */
const LATE_MS = 10 * 60_000;

const DAY_MS = 24 * 60 * 60_000;
/** As the log warns; see listeners/tls/watch.ts. */
const CERTIFICATE_MS = 14 * DAY_MS;

/** Of the quota of 24 hours; as the log warns. */
const QUOTA_LEFT = 0.1;

/** The disk has less than this many times what must stay free. */
const SPACE_TIMES = 2;

export const troublesOf = (facts: TroubleFacts): Trouble[] => [
  ...ofDisk(facts),
  ...ofLedger(facts),
  ...ofUpstreams(facts),
  ...ofDraining(facts),
  ...ofPauses(facts),
  ...ofLateness(facts),
  ...ofEvents(facts),
  ...ofHeld(facts),
  ...ofCertificates(facts),
  ...ofQuotas(facts),
  ...ofSpace(facts),
];

const timeOf = (ms: number): string => new Date(ms).toISOString();

function ofDisk({ diskFault, lanes }: TroubleFacts): Trouble[] {
  const paused = lanes.find(({ pause }) => pause?.by === "storage")?.pause;
  if (diskFault === undefined && paused === undefined) return [];
  return [
    {
      ...{ kind: "storage", degrades: true },
      text: diskFault ?? "nothing is relayed, since the disk can't record it",
      ...(paused === undefined ? {} : { reason: paused.reason, since: timeOf(paused.since) }),
      todo: "Make room on the disk of the data folder, or repair it; mailonce goes on by itself",
    },
  ];
}

const ofLedger = ({ isLedgerUp }: TroubleFacts): Trouble[] =>
  isLedgerUp
    ? []
    : [
        {
          ...{ kind: "ledger", degrades: true },
          text: "the ledger's database does not answer, so clients have to try again",
          todo: "Start it, or repair the network; mailonce goes on by itself",
        },
      ];

/** What waits for it, in all lanes. */
const waitingFor = (name: string, lanes: readonly LaneFacts[]): number =>
  lanes
    .filter(({ upstreams }) => upstreams.some((upstream) => upstream.name === name))
    .reduce((sum, { due, waiting }) => sum + due.count + waiting.count, 0);

/** Each upstream once, in however many lanes; the first pause that it has there. */
function distinct(lanes: readonly LaneFacts[]): UpstreamFacts[] {
  const found = new Map<string, UpstreamFacts>();
  for (const upstream of lanes.flatMap(({ upstreams }) => upstreams)) {
    const before = found.get(upstream.name);
    const isOlder = (upstream.pause?.since ?? 0) >= (before?.pause?.since ?? Number.POSITIVE_INFINITY);
    if (before?.pause === undefined || (upstream.pause !== undefined && !isOlder))
      found.set(upstream.name, upstream);
  }
  return [...found.values()];
}

function ofUpstreams({ lanes, upstreams }: TroubleFacts): Trouble[] {
  const failing = distinct(lanes).flatMap(({ name, pause }): Trouble[] => {
    if (pause?.by !== "upstream") return [];
    const advised = upstreams.find((upstream) => upstream.name === name);
    return [
      {
        ...{ kind: "upstream", degrades: true, upstream: name, text: `${name} has taken nothing` },
        ...{ since: timeOf(pause.since), reason: pause.reason },
        ...(advised === undefined ? {} : { todo: adviceFor(advised, pause.reason) }),
      },
    ];
  });
  const silent = lanes.flatMap(({ name, silence }): Trouble[] =>
    silence === undefined
      ? []
      : [
          {
            ...{ kind: "silent", degrades: true, upstream: name, text: `${name} has taken nothing` },
            ...{ since: timeOf(silence.since), reason: silence.reason },
            todo: "`mailonce queue list` has what was said about each mail",
          },
        ],
  );
  const waiting = ({ upstream = "" }: Trouble): number => waitingFor(upstream, lanes);
  return [...failing.sort((a, b) => waiting(b) - waiting(a)), ...silent];
}

const ofDraining = ({ drainingSince }: TroubleFacts): Trouble[] =>
  drainingSince === undefined
    ? []
    : [
        {
          ...{ kind: "draining", degrades: true, text: "it drains: no mail has been taken" },
          since: timeOf(drainingSince),
          todo: "It ends when its queue is empty; a restart ends draining",
        },
      ];

const ofPauses = ({ lanes }: TroubleFacts): Trouble[] =>
  distinct(lanes).flatMap(({ name, pause }): Trouble[] => {
    if (pause?.by !== "operator") return [];
    const end = pause.until === undefined ? "" : `It ends at ${timeOf(pause.until)}, or with `;
    return [
      {
        ...{ kind: "operator", degrades: true, upstream: name, text: `an operator has paused ${name}` },
        ...{ since: timeOf(pause.since), ...(pause.reason === "" ? {} : { reason: pause.reason }) },
        todo: `${end}\`mailonce resume ${name}\`${end === "" ? " ends it" : ""}`,
      },
    ];
  });

const ofLateness = ({ now, lanes }: TroubleFacts): Trouble[] =>
  lanes.flatMap(({ name, due, pause }): Trouble[] => {
    const { oldestDueAt: since = now } = due;
    if (pause !== undefined || now - since < LATE_MS) return [];
    return [
      {
        ...{ kind: "late", degrades: true, upstream: name, text: `the oldest mail for ${name} has been due` },
        since: timeOf(since),
        todo: "It takes mail more slowly than mail comes: raise rate_per_second or concurrency, if it allows more",
      },
    ];
  });

const ofEvents = ({ now, events }: TroubleFacts): Trouble[] =>
  events.flatMap((facts) => eventTroubles(facts, now));

/** What waits for evidence needs nobody: a decision that it was not relayed could make the second copy. */
function ofHeld({ lanes }: TroubleFacts): Trouble[] {
  const count = lanes.reduce((sum, { held }) => sum + held.byDoubt - (held.listening?.count ?? 0), 0);
  if (count === 0) return [];
  const oldest = Math.min(...lanes.map(({ held }) => held.oldestUndecidedAt ?? Number.POSITIVE_INFINITY));
  return [
    {
      ...{ kind: "held", degrades: false },
      text: `${mails(count)} in doubt wait${count === 1 ? "s" : ""} for a decision`,
      ...(Number.isFinite(oldest) ? { since: timeOf(oldest) } : {}),
      todo: "`mailonce doubtful list` shows them, `mailonce doubtful resolve` decides",
    },
  ];
}

const mails = (count: number): string => (count === 1 ? "1 mail" : `${countOf(count)} mails`);

const ofCertificates = ({ now, certificates }: TroubleFacts): Trouble[] =>
  certificates.flatMap(({ listener, names, notAfter }): Trouble[] => {
    if (notAfter - now >= CERTIFICATE_MS) return [];
    const isOver = notAfter <= now;
    return [
      {
        ...{ kind: "certificate", degrades: isOver },
        text: `the certificate of ${listener} for ${names.join(", ")} ${isOver ? "ended" : "ends"} at ${timeOf(notAfter)}`,
        todo: "Renew its files; mailonce reads them again by itself",
      },
    ];
  });

const ofQuotas = ({ quotas }: TroubleFacts): Trouble[] =>
  quotas.flatMap(({ name, max, sent }): Trouble[] => {
    const left = Math.max(0, max - sent);
    if (left >= max * QUOTA_LEFT) return [];
    return [
      {
        ...{ kind: "quota", degrades: false, upstream: name },
        text: `${name} takes ${countOf(left)} more of ${mails(max)} in 24 hours`,
        todo: "Ask AWS for a larger quota",
      },
    ];
  });

function ofSpace({ disk: { free, minimum }, diskFault }: TroubleFacts): Trouble[] {
  if (diskFault !== undefined || free === undefined || free >= minimum * SPACE_TIMES) return [];
  return [
    {
      ...{ kind: "space", degrades: false },
      text: `the disk of the data folder has ${free} octets free; below ${minimum} no mail is taken`,
      todo: "Make room on it",
    },
  ];
}
