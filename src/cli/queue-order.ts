// `mailonce queue retry`, `hold`, `release`, `bounce` and `remove`: mails by name, or all that fit filters, a part at a time.
// One that is killed in the middle has done a part of them, and the next run does the rest.
import { REFUSALS } from "../dispatch/order.ts";
import type { QueueFilter } from "../operator/queue/filter.ts";
import type { Order, OrderKind, OrderResult, QueueDesk, Selection } from "../operator/queue/words.ts";
import { countOf } from "../runtime/amounts.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { type JsonOption, jsonLine, print } from "./print.ts";
import { type FilterOptions, filterOf, limitOf, withQueue } from "./queue-desk.ts";
import { reasonFaults } from "./reason.ts";

export interface OrderOptions extends FilterOptions, JsonOption {
  readonly all?: boolean;
  readonly limit?: string;
  readonly reason?: string;
  readonly resend?: boolean;
  readonly yes?: boolean;
  readonly config?: string;
}

/** Of one request. */
const ORDERS = 200;
const NAMES = 1_000;

export async function orderQueued(
  kind: OrderKind,
  names: readonly string[],
  options: OrderOptions,
): Promise<number> {
  const { all = false, reason, resend, yes, config } = options;
  const filtered = filterOf(options);
  const limited = limitOf(options.limit);
  const faults = [
    ...(filtered.ok ? selectionFaults(names, filtered.filter, all) : filtered.faults),
    ...(limited.ok ? [] : limited.faults),
    ...(kind === "bounce" && reason === undefined ? ["--reason is needed: the report has it"] : []),
    ...reasonFaults(reason),
  ];
  if (!filtered.ok || !limited.ok || faults.length > 0) {
    return reportFaults(faults, exitCodes.badConfiguration);
  }
  const { filter } = filtered;
  const order: Order = { kind, reason, resend };
  return await withQueue(config, async (desk) => {
    if (kind === "remove" && yes !== true) {
      const count = names.length > 0 ? await countNamed(desk, names) : (await desk.counts(filter)).total;
      if (count === 0) return nothing(names);
      const fault = `${mailsOf(count)}, and what is removed is gone without a report: add --yes`;
      return reportFaults([fault], exitCodes.badConfiguration);
    }
    const tally = await giveAll(desk, order, { names, filter, all, limit: limited.limit }, options);
    if ("many" in tally) {
      return reportFaults([`${mailsOf(tally.many)}: add --all, or name one`], exitCodes.badConfiguration);
    }
    if (tally.done + tally.refused === 0) return tally.absent > 0 ? exitCodes.nothingMatched : nothing(names);
    return tally.refused + tally.absent === 0 ? exitCodes.ok : exitCodes.failed;
  });
}

const mailsOf = (count: number): string => (count === 1 ? "1 mail matches" : `${countOf(count)} mails match`);

const nothing = (names: readonly string[]): number =>
  reportFaults(
    names.length === 0 ? ["nothing matches"] : names.map((name) => `${name} ${REFUSALS.absent}`),
    exitCodes.nothingMatched,
  );

async function countNamed(desk: QueueDesk, names: readonly string[]): Promise<number> {
  let count = 0;
  for (const name of new Set(names)) count += (await desk.show(name)).length;
  return count;
}

function selectionFaults(names: readonly string[], filter: QueueFilter, all: boolean): string[] {
  const isFiltered = Object.values(filter).some((value) => value !== undefined);
  if (names.length > 0 && isFiltered) return ["name mails, or give filters: not both"];
  return names.length > 0 || isFiltered || all ? [] : ["name mails, give filters, or say --all"];
}

interface Wanted {
  readonly names: readonly string[];
  readonly filter: QueueFilter;
  readonly all: boolean;
  readonly limit: number | undefined;
}

interface Tally {
  done: number;
  refused: number;
  absent: number;
}

async function giveAll(
  desk: QueueDesk,
  order: Order,
  { names, filter, all, limit = Number.POSITIVE_INFINITY }: Wanted,
  options: JsonOption,
): Promise<Tally | { readonly many: number }> {
  const tally: Tally = { done: 0, refused: 0, absent: 0 };
  for (const selection of selectionsOf(names, filter)) {
    let cursor: string | undefined;
    do {
      const left = limit - tally.done - tally.refused;
      if (left <= 0) return tally;
      const page = await desk.order(order, selection, { all, limit: Math.min(ORDERS, left), cursor });
      if (page.kind === "many") return { many: page.count };
      for (const result of page.items) count(tally, result);
      await report(page.items, order, options);
      cursor = page.next;
    } while (cursor !== undefined);
  }
  return tally;
}

/** Each fits into a request. */
function selectionsOf(names: readonly string[], filter: QueueFilter): Selection[] {
  if (names.length === 0) return [{ filter }];
  const selections: Selection[] = [];
  for (let at = 0; at < names.length; at += NAMES) selections.push({ names: names.slice(at, at + NAMES) });
  return selections;
}

function count(tally: Tally, result: OrderResult): void {
  if (result.ok) tally.done += 1;
  else if (result.why === "absent") tally.absent += 1;
  else tally.refused += 1;
}

async function report(results: readonly OrderResult[], order: Order, { json }: JsonOption): Promise<void> {
  const lines = results.map((result) =>
    json === true ? jsonLine(result) : result.ok ? `${sentenceOf(result, order)}\n` : "",
  );
  await print(lines.join(""));
  if (json === true) return;
  for (const result of results) {
    if (!result.ok) process.stderr.write(`mailonce: ${result.name} ${REFUSALS[result.why]}\n`);
  }
}

const WHAT_NEXT = {
  due: "is due now",
  held: "is held",
  policy: "is in doubt: policy decides about it now",
  ended: "is refused, and will be reported",
  removed: "is removed",
} as const;

function sentenceOf(result: OrderResult & { readonly ok: true }, { kind, resend }: Order): string {
  const to = result.recipient === undefined ? "" : ` to ${result.recipient}`;
  const already = result.already === true ? " already" : "";
  const copy =
    kind === "retry" && resend === true && result.doubtful === true ? ", and may be a second copy" : "";
  return `${result.name}${to} ${WHAT_NEXT[result.next]}${already}${copy}`;
}
