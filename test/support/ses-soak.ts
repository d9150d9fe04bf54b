// Many messages through the gateway to an SES that throttles, loses answers, fails and pauses: what became
// of each, and how fast. Small in a test, at full size in bench/ses-soak.ts.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type LogLine, makeFolder, type Settings, startProcess } from "./process.ts";
import { createScriptedSes, type ScriptedSes, type SesScript } from "./scripted-ses.ts";
import type { SesFault } from "./ses-faults.ts";
import { connectSmtp, taskMail } from "./smtp-client.ts";

export interface SesSoak {
  readonly messages: number;
  /** MaxSendRate, which SES enforces. */
  readonly rate: number;
  /** How long sending is paused, from the middle on. */
  readonly pauseMs: number;
  /** Shares of the calls: refused as one too many, taken without an answer, ended with 5xx. */
  readonly throttled: number;
  readonly lost: number;
  readonly failed: number;
  /** Refused for good. */
  readonly rejected: number;
  readonly seed: number;
  readonly settings?: Settings;
}

export interface SesSoakReport {
  /** Recipients submitted; how many of them were relayed, and how many reported as failed. */
  readonly submitted: number;
  readonly relayed: number;
  readonly reported: number;
  /** What SES has, reports and second copies included. */
  readonly taken: number;
  /** Message-IDs that SES has more than once, and those of them of which a copy was not logged as doubtful before. */
  readonly repeated: number;
  readonly silent: readonly string[];
  /** Calls, those refused by the script as one too many, and those that were too fast indeed. */
  readonly calls: number;
  readonly throttled: number;
  readonly tooFast: number;
  readonly pauses: number;
  /** How often the gateway lowered its rate. */
  readonly lowered: number;
  /** From the first call to the last message taken, without the pause. */
  readonly allowedSeconds: number;
  /** Messages taken in a second of that. */
  readonly meanRate: number;
}

const CLIENTS = 8;
/** The port of a service that no longer exists: a connection is refused. */
const NOBODY = "http://127.0.0.1:9";

export async function soakSes(soak: SesSoak): Promise<SesSoakReport> {
  const folder = makeFolder();
  const script = scriptOf(soak);
  const peer = await createScriptedSes({
    script: script.play,
    enforcesRate: true,
    quota: { MaxSendRate: soak.rate, Max24HourSend: 1_000_000, SentLast24Hours: 0 },
  });
  const settings = {
    DATA_DIR: join(folder.path, "data"),
    UPSTREAM_KIND: "ses",
    SPOOL_RETRY_MIN: "250ms",
    SPOOL_RETRY_MAX: "5s",
    ...soak.settings,
  };
  // All is in the spool before SES is there, so that the rate is that of sending and not of submission.
  const filling = await startProcess({ ...settings, UPSTREAM_SES_ENDPOINT: NOBODY });
  await submit(filling.port, soak.messages);
  await filling.stop();
  const gateway = await startProcess({ ...settings, UPSTREAM_SES_ENDPOINT: peer.endpoint });
  try {
    const { length: rejections } = script.rejections;
    await gateway.logged("transmission.reported", rejections);
    // A report is a message of its own, and may be refused in turn; then nobody is told.
    const notices = gateway.lines.filter(
      ({ event, notice }) => event === "transmission.reported" && notice !== "none",
    ).length;
    await gateway.logged("transmission.relayed", soak.messages + notices - rejections);
    return reportOf(soak, script, peer, gateway.lines);
  } finally {
    await gateway.stop();
    await peer.close();
    folder.remove();
  }
}

interface Script {
  readonly play: SesScript;
  /** The numbers of the calls that are refused for good. */
  readonly rejections: readonly number[];
  begunAt(): number;
  throttled(): number;
}

function scriptOf({ messages, pauseMs, throttled, lost, failed, rejected, seed }: SesSoak): Script {
  const chance = chanceOf(seed);
  const pauseFrom = Math.floor(messages / 2);
  const rejectedCount = Math.round(messages * rejected);
  // Before the pause, so that it is certain how many there are.
  const rejections = Array.from({ length: rejectedCount }, (_, n) =>
    Math.floor(((n + 1) * pauseFrom) / (rejectedCount + 1)),
  );
  const rejectedNumbers = new Set(rejections);
  let begunAt: number | undefined;
  let pausedUntil: number | undefined;
  let throttledCount = 0;

  const drawn = (): SesFault => {
    const at = chance();
    if (at < throttled) {
      throttledCount++;
      return "too-many-requests";
    }
    if (at < throttled + lost) return "drop-before-reply";
    if (at < throttled + lost + failed) return chance() < 0.5 ? "internal-error-taken" : "unavailable";
    return "accept";
  };

  return {
    rejections,
    begunAt: () => begunAt ?? Date.now(),
    throttled: () => throttledCount,
    play(number) {
      begunAt ??= Date.now();
      if (number >= pauseFrom) pausedUntil ??= performance.now() + pauseMs;
      if (pausedUntil !== undefined && performance.now() < pausedUntil) return "sending-paused";
      return rejectedNumbers.has(number) ? "message-rejected" : drawn();
    },
  };
}

/** One task for all recipients, over some connections at once. */
async function submit(port: number, messages: number): Promise<void> {
  const task = randomUUID();
  let next = 0;
  const submitAll = async (): Promise<void> => {
    const client = await connectSmtp(port);
    while (next < messages) {
      const reply = await client.submit({ to: [`reader${next++}@example.net`], content: taskMail(task) });
      if (!reply.includes("queued as")) throw new Error(reply);
    }
    await client.quit();
  };
  await Promise.all(Array.from({ length: CLIENTS }, submitAll));
}

function reportOf(soak: SesSoak, script: Script, peer: ScriptedSes, lines: readonly LogLine[]) {
  const of = (event: string) => lines.filter((line) => line.event === event);
  const notices = new Set(of("transmission.reported").map(({ notice }) => notice));
  const mails = (event: string) =>
    new Set(
      of(event)
        .map(({ messageId }) => messageId)
        .filter((messageId) => !notices.has(messageId)),
    ).size;
  const endedAt = peer.taken.at(-1)?.takenAt ?? script.begunAt();
  const allowedSeconds = (endedAt - script.begunAt() - soak.pauseMs) / 1_000;
  return {
    submitted: soak.messages,
    relayed: mails("transmission.relayed"),
    reported: mails("transmission.reported"),
    taken: peer.taken.length,
    repeated: peer.repeated().length,
    silent: silentCopies(peer, of("transmission.doubtful")),
    calls: peer.calls(),
    throttled: script.throttled(),
    tooFast: peer.tooFast(),
    pauses: of("dispatch.paused").length,
    lowered: of("upstream.rate_lowered").length,
    allowedSeconds,
    meanRate: peer.taken.length / allowedSeconds,
  };
}

/** Message-IDs of which a further copy came although fewer doubts than copies had been logged by then. */
function silentCopies(peer: ScriptedSes, doubtful: readonly LogLine[]): string[] {
  const doubts = new Map<unknown, number[]>();
  for (const { messageId, time } of doubtful) {
    doubts.set(messageId, [...(doubts.get(messageId) ?? []), Date.parse(String(time))]);
  }
  const copies = new Map<string, number>();
  const silent = new Set<string>();
  for (const { messageId, takenAt } of peer.taken) {
    const before = copies.get(messageId) ?? 0;
    const logged = (doubts.get(messageId) ?? []).filter((time) => time <= takenAt).length;
    if (logged < before) silent.add(messageId);
    copies.set(messageId, before + 1);
  }
  return [...silent];
}

/** Numbers in [0, 1) from a seed (mulberry32). */
function chanceOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
