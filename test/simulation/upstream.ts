// The simulated upstream: takes what it is handed, refuses it, or leaves its answer to be guessed. It
// records all it took, and outlives the gateway's processes.
import type { Outcome, Transmission, Upstream } from "../../src/upstream/upstream.ts";
import type { Evidence } from "./evidence.ts";
import type { Attempt, Content } from "./history.ts";
import { type Life, never } from "./machine.ts";
import type { Site } from "./site.ts";

export interface SimulatedUpstream {
  upstreamOf(life: Life): Upstream;
  /** The life has ended: what it had handed over whole is taken or not. */
  cut(life: Life): void;
  /** Attempts under way. */
  readonly underWay: number;
  /** Told of each that it takes. */
  onTaken: ((attempt: Attempt) => void) | undefined;
  /** It has taken the id's message, once at least. */
  has(id: string): boolean;
}

/** What the upstream makes of an attempt. */
interface Fate {
  readonly takes: boolean;
  readonly outcome: Outcome;
  /** Milliseconds until it takes or refuses, and from then until its answer is there. */
  readonly ms: readonly [number, number];
}

interface UnderWay {
  readonly life: Life;
  readonly attempt: Attempt;
  /** It will take it, and has not yet. */
  willTake: boolean;
}

export function createSimulatedUpstream(site: Site, evidence: Evidence): SimulatedUpstream {
  const { chance, time, history, plan } = site;
  const { faults } = plan;
  const underWay = new Set<UnderWay>();
  const taken = new Set<string>();
  let attempts = 0;
  let downUntil = 0;

  const notNow = (kind: "later" | "down", reply: string): Outcome => ({
    kind,
    reply,
    ...(chance.happens(0.2) ? { retryAfterMs: chance.between(1, 30_000) } : {}),
  });

  function isDown(): boolean {
    if (site.isHealed) return false;
    if (site.fails(faults.upstream_down) && site.elapsed() >= downUntil) {
      const forMs = chance.pick([500, 10_000, 120_000]);
      downUntil = site.elapsed() + forMs;
      history.add({ kind: "upstream_down", forMs });
    }
    return site.elapsed() < downUntil;
  }

  function decide(recipient: string): Fate {
    const longest = site.fails(faults.upstream_slow) ? 15_000 : 200;
    const ms = [chance.between(0, longest), chance.between(0, longest)] as const;
    if (isDown()) return { takes: false, outcome: notNow("down", "ECONNREFUSED"), ms };
    if (!site.isOddOver && plan.odd.has(recipient)) {
      return { takes: false, outcome: notNow("down", "454 4.7.0 not now"), ms };
    }
    if (site.fails(faults.upstream_refuses_permanent)) {
      return { takes: false, outcome: { kind: "refused", reply: "550 5.1.1 no such user" }, ms };
    }
    if (site.fails(faults.upstream_refuses_transient)) {
      return { takes: false, outcome: notNow("later", "450 4.2.1 try later"), ms };
    }
    if (site.fails(faults.upstream_reply_lost)) {
      return { takes: true, outcome: { kind: "doubtful", cause: "the connection was lost" }, ms };
    }
    if (site.fails(faults.upstream_timeout)) {
      const takes = chance.happens(0.5);
      return { takes, outcome: { kind: "doubtful", cause: "time-out" }, ms: [ms[0], 60_000] };
    }
    return { takes: true, outcome: { kind: "accepted", upstreamId: `u${attempts}` }, ms };
  }

  const wait = (ms: number, signal: AbortSignal) =>
    new Promise<void>((resolve) => {
      if (signal.aborted) return resolve();
      const end = () => {
        signal.removeEventListener("abort", end);
        resolve();
      };
      time.after(ms, end);
      signal.addEventListener("abort", end);
    });

  function take(one: UnderWay): void {
    if (!one.willTake) return;
    history.add({ kind: "taken", attempt: one.attempt });
    one.willTake = false;
    taken.add(one.attempt.id);
    simulated.onTaken?.(one.attempt);
  }

  async function transmit(life: Life, transmission: Transmission, signal: AbortSignal): Promise<Outcome> {
    const { machine } = life;
    const calledSeq = history.events.length;
    if (!machine.step(life, "upstream called")) return await never();
    while (machine.isPaused) await machine.running();
    const { id, messageId, recipient } = transmission;
    let mark = evidence.isShared ? undefined : evidence.mark(id, life);
    const content = await readContent(transmission).catch((error) => String(error));
    if (!life.isAlive) return await never();
    while (machine.isPaused) await machine.running();
    mark ??= evidence.mark(id, life);
    if (mark instanceof Promise) mark = await mark;
    if (!life.isAlive) return await never();
    // Nothing of it has left, so this is certain.
    if (typeof content === "string") return notNow("later", content);

    const named = { number: ++attempts, id, messageId, recipient, gateway: machine.number, calledSeq };
    const attempt: Attempt = { ...named, ...mark, content };
    history.add({ kind: "attempted", attempt });
    const { takes, outcome, ms } = decide(recipient);
    const one: UnderWay = { life, attempt, willTake: takes };
    underWay.add(one);
    const answer = (said: Outcome): Outcome => {
      underWay.delete(one);
      history.add({ kind: "answered", attempt, outcome: said });
      return said;
    };
    await wait(ms[0], signal);
    if (!life.isAlive) return await never();
    if (signal.aborted && chance.happens(0.5)) return answer(notNow("later", "aborted"));
    take(one);
    if (!machine.step(life, "upstream has it")) return await never();
    await wait(ms[1], signal);
    if (!life.isAlive) return await never();
    if (!machine.step(life, "upstream answers")) return await never();
    while (machine.isPaused) await machine.running();
    if (!life.isAlive) return await never();
    return answer(signal.aborted ? { kind: "doubtful", cause: "aborted" } : outcome);
  }

  const simulated: SimulatedUpstream = {
    onTaken: undefined,
    upstreamOf: (life) => ({
      name: "simulated",
      limits: {
        messageOctets: Number.POSITIVE_INFINITY,
        lineOctets: Number.POSITIVE_INFINITY,
        smtpUtf8: true,
      },
      transmit: (transmission, signal) => (life.isAlive ? transmit(life, transmission, signal) : never()),
      close: async () => {
        if (!life.isAlive) await never();
      },
    }),
    cut(life) {
      for (const one of underWay) {
        if (one.life !== life) continue;
        if (chance.happens(0.5)) take(one);
        underWay.delete(one);
      }
    },
    get underWay() {
      return underWay.size;
    },
    has: (id) => taken.has(id),
  };
  return simulated;
}

async function readContent(transmission: Transmission): Promise<Content> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of transmission.content()) chunks.push(chunk);
  const octets = Buffer.concat(chunks);
  const text = octets.toString("latin1");
  const isReport = text.includes("report-type=delivery-status");
  return {
    text,
    marker: /^X-Sim: (\S+)\r$/m.exec(text)?.[1],
    reports: isReport
      ? [...text.matchAll(/^Final-Recipient: rfc822; ?(\S+)\r$/gm)].map(([, recipient = "?"]) => recipient)
      : undefined,
    sizeIsRight: octets.length === transmission.size,
  };
}
