// Which queues have the events of upstreams. Pure.
import { viewsOf } from "./routes.ts";
import type { Config } from "./schema.ts";

export interface EventQueueConfig {
  readonly queueUrl: string;
  /** Of the upstream that names the queue, where the URL names none. */
  readonly region: string | undefined;
}

/** Each once, however many upstreams name it. */
export function eventQueuesOf(config: Config): EventQueueConfig[] {
  const queues = new Map<string, EventQueueConfig>();
  for (const { config: view } of viewsOf(config)) {
    const { kind, ses } = view.upstream;
    const { queue_url: queueUrl } = ses.events;
    if (kind !== "ses" || queueUrl === undefined || queues.has(queueUrl)) continue;
    queues.set(queueUrl, { queueUrl, region: ses.region });
  }
  return [...queues.values()];
}
