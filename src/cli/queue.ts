// `mailonce queue list` and `show`.
import type { QueueFilter } from "../operator/queue/filter.ts";
import type { QueueCounts, QueueDesk, QueueEntry, QueueMail } from "../operator/queue/words.ts";
import { countOf, durationOf } from "../runtime/amounts.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { type Column, isForPrograms, type JsonOption, jsonLine, print, tableOf } from "./print.ts";
import { type FilterOptions, filterOf, limitOf, withQueue } from "./queue-desk.ts";

export interface ListOptions extends FilterOptions, JsonOption {
  readonly limit?: string;
  readonly config?: string;
}

/** Of one request: a hundred kilobytes or so. */
const PAGE = 1_000;

/** What a person looks through. */
const SCREEN = 100;

export async function listQueue(options: ListOptions): Promise<number> {
  const filtered = filterOf(options);
  const limited = limitOf(options.limit);
  if (!filtered.ok || !limited.ok)
    return reportFaults(faultsOf(filtered, limited), exitCodes.badConfiguration);
  const { filter } = filtered;
  return await withQueue(options.config, async (desk) => {
    const printed = isForPrograms(options)
      ? await printLines(desk, filter, limited.limit)
      : await printScreen(desk, filter, limited.limit ?? SCREEN);
    const isFiltered = Object.values(filter).some((value) => value !== undefined);
    return printed === 0 && isFiltered ? exitCodes.nothingMatched : exitCodes.ok;
  });
}

const faultsOf = (...all: readonly ({ ok: true } | { ok: false; faults: readonly string[] })[]): string[] =>
  all.flatMap((one) => (one.ok ? [] : one.faults));

/** Pages as far as somebody reads them. @returns how many were printed */
async function printLines(
  desk: QueueDesk,
  filter: QueueFilter,
  limit = Number.POSITIVE_INFINITY,
): Promise<number> {
  let printed = 0;
  let cursor: string | undefined;
  while (printed < limit) {
    const page = await desk.list(filter, { limit: Math.min(PAGE, limit - printed), cursor });
    printed += page.items.length;
    const isRead = await print(page.items.map(jsonLine).join(""));
    cursor = page.next;
    if (cursor === undefined || !isRead) break;
  }
  return printed;
}

async function printScreen(desk: QueueDesk, filter: QueueFilter, limit: number): Promise<number> {
  const entries: QueueEntry[] = [];
  let cursor: string | undefined;
  do {
    const page = await desk.list(filter, { limit: Math.min(PAGE, limit - entries.length), cursor });
    entries.push(...page.items);
    cursor = page.next;
  } while (cursor !== undefined && entries.length < limit);
  entries.sort((one, other) => (one.acceptedAt < other.acceptedAt ? -1 : 1));
  const counts = await desk.counts(filter);
  await print(tableOf(columnsAt(Date.now()), entries) + footOf(entries.length, counts));
  return entries.length;
}

const columnsAt = (now: number): Column<QueueEntry>[] => {
  const since = (time: string | undefined): string | undefined =>
    time === undefined ? undefined : durationOf(now - Date.parse(time));
  return [
    { title: "id", of: ({ id }) => id },
    {
      title: "state",
      of: ({ state, hold, doubtful, listensUntil }) =>
        listensUntil !== undefined
          ? `${hold}, waits ${durationOf(Date.parse(listensUntil) - now)}`
          : (hold ?? (doubtful === true ? `${state}, doubt` : state)),
    },
    { title: "age", of: ({ acceptedAt }) => since(acceptedAt), align: "right" },
    { title: "due in", of: ({ state, dueAt }) => dueIn(state, dueAt, now), align: "right" },
    { title: "tries", of: ({ attempts }) => attempts, align: "right" },
    { title: "recipient", of: ({ recipient }) => recipient, max: 40 },
    { title: "task", of: ({ task }) => task, max: 36 },
    { title: "upstream", of: ({ upstream }) => upstream, max: 20 },
    { title: "last reply", of: ({ lastReply }) => lastReply },
  ];
};

const dueIn = (state: QueueEntry["state"], dueAt: string | undefined, now: number): string | undefined =>
  state !== "waiting" || dueAt === undefined
    ? state === "due"
      ? "now"
      : undefined
    : durationOf(Date.parse(dueAt) - now);

function footOf(shown: number, { total, groups }: QueueCounts): string {
  if (total === 0) return "nothing\n";
  const all = `${countOf(shown)} of ${countOf(total)}, at this gateway\n`;
  const sorted = [...groups].sort((one, other) => other.count - one.count);
  return `\n${all}${sorted.map(({ upstream, state, count }) => `${countOf(count)} ${state}, ${upstream}\n`).join("")}`;
}

export interface ShowOptions extends JsonOption {
  readonly header?: boolean;
  readonly body?: boolean;
  readonly config?: string;
}

export async function showQueued(name: string, options: ShowOptions): Promise<number> {
  const { header, body, config } = options;
  if (header === true && body === true) {
    return reportFaults(["say either --header or --body"], exitCodes.badConfiguration);
  }
  const part = header === true ? "header" : body === true ? "body" : undefined;
  return await withQueue(config, async (desk) => {
    if (part !== undefined) return await printContent(desk, name, part);
    const mails = await desk.show(name);
    if (mails.length === 0) return reportFaults([`${name} is not in the queue`], exitCodes.nothingMatched);
    await print(isForPrograms(options) ? mails.map(jsonLine).join("") : mails.map(cardOf).join("\n"));
    return exitCodes.ok;
  });
}

async function printContent(desk: QueueDesk, name: string, part: "header" | "body"): Promise<number> {
  const octets = await desk.content(name, part);
  if (octets === undefined) {
    return reportFaults([`${name} is not in the queue, or its content is lost`], exitCodes.nothingMatched);
  }
  const decoder = new TextDecoder();
  for await (const chunk of octets) {
    // What others wrote must not drive the terminal.
    const text =
      process.stdout.isTTY === true
        ? decoder.decode(chunk, { stream: true }).replace(CONTROLS, "\ufffd")
        : chunk;
    if (!(await print(text))) break;
  }
  return exitCodes.ok;
}

/** But for tabs and the ends of lines. */
const CONTROLS = /(?![\t\r\n])[\p{Cc}\p{Cf}]/gu;

/** One line for each thing that is known. */
function cardOf(mail: QueueMail): string {
  const rows = Object.entries(mail).map(([name, value]) => ({
    name,
    value: typeof value === "object" ? JSON.stringify(value) : String(value),
  }));
  const table = tableOf(
    [
      { title: "", of: (row: (typeof rows)[number]) => row.name },
      { title: "", of: (row) => row.value, max: 400 },
    ],
    rows,
  );
  return table.slice(table.indexOf("\n") + 1);
}
