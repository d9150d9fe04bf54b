// What the commands of the queue have in common: the desk of the gateway that runs on the data folder, or of the folder
// when none does; and the filters of the command line.
import { gatewayQueue } from "../operator/http/queue-client.ts";
import { type FilterInput, filterSchema, type QueueFilter } from "../operator/queue/filter.ts";
import type { QueueDesk } from "../operator/queue/words.ts";
import { withDesk } from "./operate.ts";

const loadStoppedQueue = async () => (await import("../operator/queue/stopped.ts")).stoppedQueue;

/** The next start finds what was ordered in the folder. */
export const withQueue = (
  file: string | undefined,
  use: (desk: QueueDesk) => Promise<number>,
): Promise<number> => withDesk(file, gatewayQueue, loadStoppedQueue, use);

/** As commander has read them. */
export type FilterOptions = { readonly [Name in keyof FilterInput]?: string };

type Given<T> = ({ readonly ok: true } & T) | { readonly ok: false; readonly faults: readonly string[] };

const NAMES = Object.keys(filterSchema.shape) as (keyof FilterInput)[];

export function filterOf(options: FilterOptions): Given<{ readonly filter: QueueFilter }> {
  const given = NAMES.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]]));
  const parsed = filterSchema.safeParse(Object.fromEntries(given));
  if (parsed.success) return { ok: true, filter: parsed.data };
  return {
    ok: false,
    faults: parsed.error.issues.map(({ path, message }) => `--${String(path[0])}: ${message}`),
  };
}

/** @param text of --limit */
export function limitOf(text: string | undefined): Given<{ readonly limit?: number }> {
  if (text === undefined) return { ok: true };
  return /^[1-9]\d{0,8}$/.test(text)
    ? { ok: true, limit: Number(text) }
    : { ok: false, faults: ["--limit: expected a count, such as 100"] };
}
