// A relay under load: submitted by smtp-source, relayed to smtp-sink, measured until the last mail is there.
import type { CpuGroup } from "./cpu-group.ts";
import type { Sink } from "./sink.ts";
import { type Load, submit } from "./smtp-source.ts";
import { median } from "./statistics.ts";

export interface Relay {
  readonly name: string;
  readonly port: number;
  /** Where it relays to; nobody else does. */
  readonly sink: Sink;
  readonly cpu: CpuGroup;
  /** Of relays with one process. */
  readonly pid?: number;
  /** Octets that were resident at most; of relays with one process. */
  memory?(): number;
  stop(): Promise<void>;
}

/** A program that relays. */
export interface Contestant {
  readonly name: string;
  /** How it is set up, and what makes its queue durable. */
  readonly setUp: string;
  /** Installs it where that is harmless; undefined when it is not there. */
  version(): string | undefined;
  /** @param folder for its queue, not there yet */
  start(folder: string): Promise<Relay>;
}

export interface Rate {
  /** A second, until the last 250. */
  readonly accepted: number;
  /** A second, from the first connection until the sink has the last mail. */
  readonly relayed: number;
  /** Processor time of the relay, microseconds a mail. */
  readonly cpu: number;
}

/** Long enough for a mail that is relayed twice to come a second time. */
const AFTERWARDS_MS = 300;
const FIRST_LOAD = 500;
/** Long enough for a program that is compiled while it runs. */
const WARM_SECONDS = 5;
const KEPT_FOR = 3;

/** Throws when a mail is lost or doubled. */
export async function relayRate(relay: Relay, messages: number, load: Load): Promise<Rate> {
  const { sink, cpu } = relay;
  const before = { count: sink.count(), cpu: cpu.used() };
  const began = performance.now();
  const [accepted, relayed] = await Promise.all([
    submit(relay.port, messages, load).then(() => performance.now() - began),
    sink.reached(before.count + messages).then((reached) => reached - began),
  ]);
  await expectCount(relay, before.count + messages);
  return {
    accepted: (messages / accepted) * 1_000,
    relayed: (messages / relayed) * 1_000,
    cpu: (cpu.used() - before.cpu) / messages,
  };
}

/** Throws unless the relay's sink has so many mails, and gets no more. */
export async function expectCount({ name, sink }: Relay, wanted: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, AFTERWARDS_MS));
  if (sink.count() !== wanted) throw new Error(`${name} relayed ${sink.count()} mails of ${wanted}`);
}

/** Each measure's own median. */
export const medianRate = (rates: readonly Rate[]): Rate => ({
  accepted: median(rates.map(({ accepted }) => accepted)),
  relayed: median(rates.map(({ relayed }) => relayed)),
  cpu: median(rates.map(({ cpu }) => cpu)),
});

/** Warms the relay up, and finds out how many mails last for so many seconds. */
export async function messagesFor(relay: Relay, seconds: number, load: Load): Promise<number> {
  const first = await relayRate(relay, Math.max(FIRST_LOAD, load.connections), load);
  const warm = await relayRate(relay, messagesIn(WARM_SECONDS, first.relayed, load), load);
  return messagesIn(seconds, warm.relayed, load);
}

/** On a kept connection there are several. */
const messagesIn = (seconds: number, rate: number, { keep, connections }: Load): number =>
  Math.ceil(Math.max(rate * seconds, keep ? KEPT_FOR * connections : 0));
