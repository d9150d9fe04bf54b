// The upstream's own events, and the queue that they come by: for what the upstream took it says so later, once or twice or
// never, at any time and to any gateway; and says it again until the answer is neither "busy" nor "away".
import { isToAskAgain } from "../../src/evidence/evidence.ts";
import { ID_OCTETS } from "../../src/identity/message-id.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import type { Evidence } from "./evidence.ts";
import type { Attempt, Told } from "./history.ts";
import { type Life, type Machine, never } from "./machine.ts";
import type { Site } from "./site.ts";
import type { SimulatedUpstream } from "./upstream.ts";

export interface WitnessActor {
  /** Events on their way, or with a gateway. */
  isBusy(): boolean;
  /** Resolves when the gateway of this life has answered all that it was asked. */
  idle(life: Life): Promise<void>;
  /** The transmission waits for evidence still, or was settled by it and has to leave the spool: its record says so. */
  isUnfinished(record: string, { life }: Machine): boolean;
}

/** For so long at most a message is invisible to others, before it is asked about again. */
const INVISIBLE_MS = 60_000;

const ID_IN_RECORD = /"id":"([a-z2-7]{32})"/;

export function createWitness(
  site: Site,
  machines: readonly Machine[],
  evidence: Evidence,
  upstream: SimulatedUpstream,
): WitnessActor | undefined {
  const { plan, history, time } = site;
  const { witness, forgetter, postmaster } = plan;
  if (witness === undefined) return undefined;
  const { chance, waitMs } = witness;
  let numbers = 0;
  let onTheirWay = 0;
  const asking = new Map<Life, Set<Promise<void>>>();
  const settled = new Set<string>();
  // With these an id that is settled may be another mail's again, or be kept by a gateway that lost it to another.
  const mayStay = forgetter !== undefined || postmaster !== undefined || witness.mayFingerprint;

  interface Message {
    readonly id: string;
    /** Of the upstream; none of an id that nobody knows. */
    readonly attempt: Attempt | undefined;
    /** When the upstream took it. */
    readonly at: number;
  }

  function send(message: Message, afterMs: number): void {
    onTheirWay += 1;
    time.after(afterMs, () => {
      onTheirWay -= 1;
      deliver(message);
    });
  }

  function deliver(message: Message): void {
    const machine = chance.pick(machines as [Machine, ...Machine[]]);
    const { life, isPaused, isGone } = machine;
    if (life.relay === undefined || life.isStopping || isPaused || isGone) {
      send(message, chance.between(100, INVISIBLE_MS));
      return;
    }
    // Not in this turn, in which the life might end before it is known that the message is with it.
    const asked: Promise<void> = Promise.resolve()
      .then(() => ask(life, message))
      .then((isDone) => {
        asking.get(life)?.delete(asked);
        if (!isDone) send(message, chance.between(1, INVISIBLE_MS));
      });
    asking.set(life, (asking.get(life) ?? new Set()).add(asked));
    // Of a life that ends nothing comes any more.
    life.onEnd.add(() => {
      if (asking.get(life)?.delete(asked) === true) send(message, chance.between(1, INVISIBLE_MS));
    });
  }

  /** @returns whether the message is deleted; never when the life ends before */
  async function ask(life: Life, { id, attempt, at }: Message): Promise<boolean> {
    const { machine, relay } = life;
    if (!life.isAlive) return await never();
    const told: Told = { number: ++numbers, gateway: machine.number, life: life.number, id };
    history.add({ kind: "evidence_asked", told });
    if (!machine.step(life, "evidence received") || relay === undefined) return await never();
    const upstreamId = attempt === undefined ? "nobody's" : `u${attempt.number}`;
    const said = await relay.evidence
      .take(id, { from: "tag", source: "simulated", upstreamId, at })
      .catch((error: unknown) => ({ failed: String(error) }));
    if (!life.isAlive) return await never();
    const isDurable =
      (typeof said === "string" && isToAskAgain(said)) ||
      attempt === undefined ||
      (await evidence.isRelayed(id));
    if (!life.isAlive) return await never();
    history.add({ kind: "evidence_answered", told, said, isDurable });
    if (said === "settled") settled.add(id);
    if (!machine.step(life, "evidence answered")) return await never();
    return said === "settled" || said === "known";
  }

  upstream.onTaken = (attempt) => {
    if (chance.happens(witness.never)) return;
    const message = { id: attempt.id, attempt, at: time.now() };
    // While the attempt is under way, soon after it, or when the wait is over.
    const soon = chance.pick([0, chance.between(0, 300), chance.between(0, 30_000)]);
    const afterMs = chance.happens(witness.late) ? chance.between(0, 2 * waitMs + 30_000) : soon;
    send(message, afterMs);
    if (chance.happens(witness.twice)) send(message, chance.pick([afterMs, chance.between(0, 120_000)]));
    if (!chance.happens(witness.unknown)) return;
    send({ id: encodeBase32(chance.octets(ID_OCTETS)), attempt: undefined, at: message.at }, afterMs);
  };

  return {
    isBusy: () => onTheirWay > 0 || [...asking.values()].some(({ size }) => size > 0),
    idle: async (life) => void (await Promise.all(asking.get(life) ?? [])),
    isUnfinished(record, { life }) {
      // What is held in the end need not say so on a disk that was full.
      const isHeldAfter = life.config.ledger.doubtful === "hold";
      if (record.includes('"evidenceUntil":') && !isHeldAfter) return true;
      return !mayStay && settled.has(ID_IN_RECORD.exec(record)?.[1] ?? "");
    },
  };
}
