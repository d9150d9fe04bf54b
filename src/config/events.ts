// Which queues have the events of which upstreams, and how long an id in doubt waits for them. Pure.
import { viewsOf } from "./routes.ts";
import type { Config } from "./schema.ts";

export interface EventQueueConfig {
  readonly queueUrl: string;
  /** Of the upstream that names the queue, where the URL names none. */
  readonly region: string | undefined;
  /** The shortest wait of the upstreams that name the queue. */
  readonly waitMs: number;
}

/** Each once, however many upstreams name it. */
export function eventQueuesOf(config: Config): EventQueueConfig[] {
  const queues = new Map<string, EventQueueConfig>();
  for (const { config: view } of viewsOf(config)) {
    const { kind, ses } = view.upstream;
    const { queue_url: queueUrl, wait } = ses.events;
    if (kind !== "ses" || queueUrl === undefined) continue;
    const { region = ses.region, waitMs = wait }: Partial<EventQueueConfig> = queues.get(queueUrl) ?? {};
    queues.set(queueUrl, { queueUrl, region, waitMs: Math.min(waitMs, wait) });
  }
  return [...queues.values()];
}

/**
 * How many milliseconds an id in doubt waits for events of the upstream that may have taken it: 0 where none of that one are
 * read. Without a name that upstream is not known, and the longest wait of all counts. Undefined: none are read at all.
 */
export function evidenceWaitOf(config: Config): ((upstream: string | undefined) => number) | undefined {
  const waits = new Map<string, number>();
  for (const { name, config: view } of viewsOf(config)) {
    const { kind, ses } = view.upstream;
    if (kind === "ses" && ses.events.queue_url !== undefined) waits.set(name, ses.events.wait);
  }
  if (waits.size === 0) return undefined;
  const longest = Math.max(...waits.values());
  // A single upstream has no name in the configuration: it is known by its kind and place.
  if (Object.keys(config.upstreams).length === 0) return () => longest;
  return (upstream) => (upstream === undefined ? longest : (waits.get(upstream) ?? 0));
}
