// The state of a gateway as a person reads it, the worst thing first. Pure.
import { listeningIn } from "../operator/status/listening.ts";
import { observedText } from "../operator/status/observed.ts";
import type { LaneStatus, Status, Trouble, UpstreamStatus } from "../operator/status/schema.ts";
import { countOf, durationOf } from "../runtime/amounts.ts";
import { shortText } from "../runtime/short-text.ts";
import { type Column, tableOf } from "./print.ts";

/** More than any terminal shows. */
const LINE_OCTETS = 1_000;

/**
 * @param now milliseconds since the epoch
 * @param width columns of the terminal
 */
export function statusScreen(status: Status, now: number, width?: number): string {
  const since = (time: string): string => durationOf(now - Date.parse(time));
  const parts = [
    troublesIn(status, since),
    `${observedLine(status, since)}${preventedLine(status, since)}`,
    tableOf(laneColumns(status, since), status.lanes, width),
    tableOf(FLOW, flowsIn(status), width),
    `${factsIn(status, now).join(" · ")}\n`,
  ];
  return parts.join("\n");
}

/** Of a trial. */
function observedLine({ observed }: Pick<Status, "observed">, since: (time: string) => string): string {
  if (observed === undefined) return "";
  const { repeats, others } = observedText(observed);
  const more = others === undefined ? "" : `, and ${others}`;
  const begun = `since ${observed.since.slice(0, 10)}, ${since(observed.since)} ago`;
  return `mode observe: ${repeats} ${begun}${more}; nothing is dropped\n`;
}

/** What the gateway is for. */
function preventedLine(
  { prevented: { sinceStart, recorded }, startedAt }: Pick<Status, "prevented" | "startedAt">,
  since: (time: string) => string,
): string {
  const mails = (count: number): string => `${countOf(count)} second ${count === 1 ? "mail" : "mails"}`;
  const start = `since the start, ${since(startedAt)} ago`;
  if (recorded === undefined) return `${mails(sinceStart)} prevented ${start}\n`;
  return `${mails(recorded.month)} prevented this month, ${countOf(sinceStart)} ${start}\n`;
}

function troublesIn({ troubles }: Pick<Status, "troubles">, since: (time: string) => string): string {
  if (troubles.length === 0) return "✓ mail is taken and relayed\n";
  return troubles.map((trouble) => `${troubleLine(trouble, since)}\n`).join("");
}

export function troubleLine(
  { degrades, text, since: begun, reason, todo }: Trouble,
  since: (time: string) => string,
): string {
  const time = begun === undefined ? "" : ` for ${since(begun)}`;
  const said = reason === undefined ? "" : `: ${reason}`;
  const what = `${text}${time}${said}`;
  const end = /[.!?]$/.test(what) ? "" : ".";
  const help = todo === undefined ? "" : ` ${todo}.`;
  return shortText(`${degrades ? "⚠" : "·"} ${what}${end}${help}`, LINE_OCTETS);
}

function laneColumns({ upstreams }: Status, since: (time: string) => string): Column<LaneStatus>[] {
  const stateOf = (lane: LaneStatus): string => {
    if (lane.pause !== undefined) return WHY_PAUSED[lane.pause.by];
    const states = lane.upstreams.map((name) => upstreams.find((upstream) => upstream.name === name)?.state);
    return states.some((state) => state !== "running") ? "partly" : "running";
  };
  return [
    { title: "upstream", of: ({ name }) => name, max: 40 },
    { title: "state", of: stateOf },
    { title: "due", of: ({ due }) => countOf(due.count), align: "right" },
    { title: "waiting", of: ({ waiting }) => countOf(waiting.count), align: "right" },
    { title: "held", of: ({ held }) => countOf(held.count), align: "right" },
    { title: "under way", of: ({ underway }) => countOf(underway.count), align: "right" },
    {
      title: "oldest due",
      of: ({ due: { oldestDueAt } }) => (oldestDueAt === undefined ? "" : since(oldestDueAt)),
      align: "right",
    },
  ];
}

const WHY_PAUSED = { upstream: "failing", storage: "disk fails", operator: "paused" } as const;

type FlowRow = Status["rates"]["minute"] & { readonly span: string };

const flowsIn = ({ rates }: Status): FlowRow[] => [
  { span: "last minute", ...rates.minute },
  { span: "last 5 min", ...rates.fiveMinutes },
];

const FLOW: readonly Column<FlowRow>[] = [
  { title: "", of: ({ span }) => span },
  { title: "accepted", of: ({ accepted }) => countOf(accepted), align: "right" },
  { title: "relayed", of: ({ relayed }) => countOf(relayed), align: "right" },
  { title: "repeats dropped", of: ({ repeats }) => countOf(repeats), align: "right" },
  { title: "refused for good", of: ({ refused }) => countOf(refused), align: "right" },
];

const GIGABYTE = 1e9;
const DAY_MS = 24 * 60 * 60_000;

function factsIn(status: Status, now: number): string[] {
  const { version, doubtful, reportsWaiting, disk, ledger, certificates, upstreams, phase } = status;
  const others = ledger.gateways - 1;
  const listening = listeningIn(status);
  return [
    ...(phase === "running" ? [] : [phase]),
    `${countOf(doubtful)} in doubt${listening === undefined ? "" : ` (${listening.text})`}`,
    ...(reportsWaiting === 0 ? [] : [`${countOf(reportsWaiting)} to be reported`]),
    ...(disk.free === undefined ? [] : [`disk ${(disk.free / GIGABYTE).toFixed(1)} GB free`]),
    ...upstreams.flatMap(quotaIn),
    ...certificates.map(({ listener, notAfter }) => `certificate of ${listener} ${daysUntil(notAfter, now)}`),
    `this gateway${others > 0 ? `; ${countOf(others)} ${others === 1 ? "other" : "others"} alive` : ""}`,
    ...(version === undefined ? [] : [`mailonce ${version}`]),
  ];
}

const quotaIn = ({ name, quota }: UpstreamStatus): string[] =>
  quota?.max === undefined
    ? []
    : [`${name} ${countOf(Math.max(0, quota.max - quota.sent))} of ${countOf(quota.max)} left in 24 h`];

function daysUntil(time: string, now: number): string {
  const days = Math.floor((Date.parse(time) - now) / DAY_MS);
  return days < 0 ? "ended" : `ends in ${countOf(days)} ${days === 1 ? "day" : "days"}`;
}
