// `mailonce doubtful list` and `resolve`: asks the gateway that runs on the data folder, or opens the folder
// when none does.
import { duration } from "../config/values.ts";
import type { Decision, DoubtfulDesk, DoubtfulEntry, Resolution } from "../operator/doubtful.ts";
import { gatewayDesk } from "../operator/http/client.ts";
import { countOf, durationOf } from "../runtime/amounts.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { withDesk } from "./operate.ts";
import { type Column, isForPrograms, type JsonOption, jsonLine, print, tableOf } from "./print.ts";
import { reasonFaults } from "./reason.ts";

const loadStoppedDoubtful = async () => (await import("../operator/offline.ts")).stoppedDoubtful;

export interface ListOptions extends JsonOption {
  /** A duration, as the configuration writes them. */
  readonly older?: string;
  readonly config?: string;
}

export interface ResolveOptions extends ListOptions {
  readonly relayed?: boolean;
  readonly notRelayed?: boolean;
  readonly all?: boolean;
  readonly reason?: string;
}

export async function listDoubtful(options: ListOptions): Promise<number> {
  const faults = olderFaults(options);
  if (faults.length > 0) return reportFaults(faults, exitCodes.badConfiguration);
  return await withDesk(options.config, gatewayDesk, loadStoppedDoubtful, async (desk) => {
    const entries = await listOlder(desk, options);
    await print(isForPrograms(options) ? entries.map(jsonLine).join("") : tableOf(columns(), entries));
    return exitCodes.ok;
  });
}

const columns = (now = Date.now()): readonly Column<DoubtfulEntry>[] => [
  { title: "id", of: ({ id }) => id },
  { title: "standing", of: ({ standing }) => standing },
  { title: "since", of: ({ since }) => durationOf(now - Date.parse(since)) },
  { title: "waits for events", of: (entry) => waitOf(entry, now) },
  { title: "tries", of: ({ attempts }) => attempts, align: "right" },
  { title: "recipient", of: ({ recipient }) => recipient },
];

/** How much longer, and what policy does then. */
const waitOf = ({ listensUntil, policy }: DoubtfulEntry, now: number): string | undefined =>
  listensUntil === undefined ? undefined : `${durationOf(Date.parse(listensUntil) - now)}, then ${policy}`;

const olderFaults = ({ older }: ListOptions): string[] => {
  const parsed = duration.optional().safeParse(older);
  return parsed.success ? [] : [`--older: ${parsed.error.issues[0]?.message ?? "is no duration"}`];
};

/** Those that were attempted, or found doubtful, so long ago. */
async function listOlder(desk: DoubtfulDesk, { older }: ListOptions): Promise<DoubtfulEntry[]> {
  const before = Date.now() - (duration.optional().parse(older) ?? 0);
  return (await desk.list()).filter(({ since }) => Date.parse(since) <= before || older === undefined);
}

const WHAT_NEXT = {
  relayed: "counts as relayed",
  queued: "is queued to be relayed",
  forgotten: "is forgotten: its task may submit it again",
} as const;

/** @param name an id or a Message-ID; all that are so old, or all, unless given */
export async function resolveDoubtful(name: string | undefined, options: ResolveOptions): Promise<number> {
  const { relayed, notRelayed, older, all = false, reason, config } = options;
  const faults = [
    ...((relayed === true) === (notRelayed === true) ? ["say either --relayed or --not-relayed"] : []),
    ...(name !== undefined && (all || older !== undefined)
      ? ["name one, or say --all or --older: not both"]
      : []),
    ...(name === undefined && !all && older === undefined ? ["name one, or say --all, --older or both"] : []),
    ...olderFaults(options),
    ...reasonFaults(reason),
  ];
  if (faults.length > 0) return reportFaults(faults, exitCodes.badConfiguration);
  const decision: Decision = relayed === true ? "relayed" : "not-relayed";
  return await withDesk(config, gatewayDesk, loadStoppedDoubtful, async (desk) => {
    if (name !== undefined) return await report(await desk.resolve(name, decision, reason), options);
    const entries = await listOlder(desk, options);
    if (entries.length === 0) return reportFaults(["nothing matches"], exitCodes.nothingMatched);
    if (entries.length > 1 && !all) {
      const fault = `${countOf(entries.length)} mails match: add --all, or name one`;
      return reportFaults([fault], exitCodes.badConfiguration);
    }
    let code: number = exitCodes.ok;
    for (const { id } of entries) {
      code = Math.max(code, await report(await desk.resolve(id, decision, reason), options));
    }
    return code;
  });
}

async function report(resolution: Resolution, { json }: JsonOption): Promise<number> {
  if (!resolution.ok) return reportFaults([resolution.fault], exitCodes.failed);
  const { id, next } = resolution;
  await print(json === true ? jsonLine({ id, next }) : `${id} ${WHAT_NEXT[next]}\n`);
  return exitCodes.ok;
}
