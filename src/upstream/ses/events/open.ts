// Puts the intake of SES's events together, one for each queue that the configuration names. Where it names none, nothing of
// it is loaded.
import type { Config } from "../../../config/config.ts";
import { eventQueuesOf } from "../../../config/events.ts";
import type { EventsFinding } from "./check.ts";
import type { Intake, IntakeFacts, IntakeParts } from "./intake.ts";

export interface Intakes {
  /** Begins to read. To be called once. */
  start(parts: StartIntakesParts): void;
  facts(): readonly IntakeFacts[];
  /** Of all queues the latest; see IntakeFacts. */
  readingSince(): number | undefined;
  /** The ledger can't be asked about what was read of one of them. */
  isHeldUp(): boolean;
  /** Of all queues; absent where none is read. See IntakeFacts. */
  readonly lastEventAt: (() => number | undefined) | undefined;
  /** See Intake. */
  close(): Promise<void>;
}

export interface StartIntakesParts
  extends Pick<IntakeParts, "evidence" | "counters" | "clock" | "random" | "log"> {
  /** The public name of the ledger; there is one where there is an upstream of SES. */
  readonly ledger: string | undefined;
}

/** Loads all that it takes. Upstreams may name the same queue: it is read once. */
export async function openIntakes(config: Config): Promise<Intakes> {
  const intakes: Intake[] = [];
  let start: Intakes["start"] = () => {};
  const queues = eventQueuesOf(config);
  if (queues.length > 0) {
    const [{ createSqsQueue }, { startIntake }, { queueNameOf }] = await Promise.all([
      import("./sqs.ts"),
      import("./intake.ts"),
      import("./queue-url.ts"),
    ]);
    start = ({ ledger = "", ...parts }) => {
      for (const { waitMs, ...options } of queues) {
        const queue = createSqsQueue(options);
        intakes.push(startIntake({ ...parts, queue, name: queueNameOf(options.queueUrl), waitMs, ledger }));
      }
    };
  }
  const facts = (): IntakeFacts[] => intakes.map((intake) => intake.facts());
  const latest = (times: readonly number[]): number | undefined =>
    times.length === 0 ? undefined : Math.max(...times);
  return {
    start,
    facts,
    readingSince: () => latest(facts().flatMap(({ readingSince }) => readingSince ?? [])),
    isHeldUp: () => facts().some(({ heldUpSince }) => heldUpSince !== undefined),
    lastEventAt:
      queues.length === 0 ? undefined : () => latest(facts().flatMap(({ lastEventAt }) => lastEventAt ?? [])),
    async close() {
      await Promise.all(intakes.map((intake) => intake.close()));
    },
  };
}

/** What is to be known of one upstream's events; nothing where they are not read. Never rejects. */
export async function checkEventsOf({ upstream }: Config, signal: AbortSignal): Promise<EventsFinding[]> {
  const { region, endpoint, configuration_set: configurationSet, events } = upstream.ses;
  const { queue_url: queueUrl } = events;
  if (upstream.kind !== "ses" || queueUrl === undefined) return [];
  const [{ createSesClient }, { createSqsQueue }, { checkEvents }] = await Promise.all([
    import("../client.ts"),
    import("./sqs.ts"),
    import("./check.ts"),
  ]);
  const ses = createSesClient({ region, endpoint });
  const queue = createSqsQueue({ queueUrl, region });
  try {
    return await checkEvents({ ses, queue, queueUrl, configurationSet }, signal);
  } finally {
    ses.close();
    queue.close();
  }
}
