// An operator or evidence decides about an id of the shared ledger: under the live claim where this gateway has one; otherwise the
// id is claimed for as long as the decision takes. What another live gateway holds only evidence decides, by one change
// under that gateway's fence.
import type { Id } from "../../identity/message-id.ts";
import { decodeBase32 } from "../../runtime/base32.ts";
import type { Clock } from "../../runtime/clock.ts";
import { StorageError } from "../../storage/storage.ts";
import type { Claims } from "../claims.ts";
import { isOfThisMail } from "../evidence-time.ts";
import type { ClaimRequest, ClaimResult, Decided, Forgotten, Ledger, Proved } from "../ledger.ts";
import {
  DECISION_EVENTS,
  decidedBy,
  forgottenBy,
  type IdEvent,
  type IdState,
  PROTOCOL,
  provedBy,
} from "../protocol.ts";
import type { Calls } from "./calls.ts";
import { EVIDENCE_STEP, isInDoubt, LAST_STEP, type LedgerRecord } from "./engine.ts";
import type { GivingUp } from "./giving-up.ts";
import type { Heartbeat } from "./heartbeat.ts";
import { type Held, stateOf, type Writer } from "./held.ts";
import { isHeldElsewhere } from "./takeover.ts";

export type Deciding = Pick<Ledger, "decide" | "prove" | "forget">;

/** Looks at a record that others change each time in between. */
const TRIES_MAX = 100;

export interface DecidingParts {
  readonly calls: Calls;
  readonly writer: Writer;
  readonly claims: Claims<Held>;
  /** As in Ledger. */
  readonly claim: (requests: readonly ClaimRequest[]) => Promise<ClaimResult[]>;
  readonly givingUp: GivingUp;
  readonly heartbeat: Heartbeat;
  /** Ids attempted or doubtful, as far as this gateway knows. */
  readonly open: Set<Id>;
  readonly clock: Clock;
  readonly retentionMs: number;
}

export function createDeciding(parts: DecidingParts): Deciding {
  const { calls, writer, claims, claim, givingUp, heartbeat, open, clock, retentionMs } = parts;

  async function decide(id: Id, event: IdEvent): Promise<Decided> {
    const held = claims.get(id);
    if (held === undefined) return await decideUnclaimed(id, event);
    const decided = await claims.inTurn(held, async () =>
      claims.get(id) === held ? await decideHeld(held, event) : undefined,
    );
    // The claim has ended; perhaps there is another one.
    return decided ?? (await decide(id, event));
  }

  async function decideHeld(held: Held, event: IdEvent): Promise<Decided> {
    heartbeat.assertCurrent();
    // It is being claimed: whether it is in doubt is not known yet.
    if (held.fence === 0) return "busy";
    const next = decidedBy(PROTOCOL[pendingOr(held)][event]);
    if (next !== "relayed" && next !== "queued") return next;
    // Until it is answered, and when it never is.
    held.mayBeRelayed ||= next === "relayed";
    held.mayBeCleared ||= next === "queued";
    if (!(await writer.move(held, event, ""))) {
      claims.end(held);
      return "elsewhere";
    }
    open.delete(held.id);
    if (next === "relayed") claims.end(held);
    return next;
  }

  /** No claim of this process is live. */
  async function decideUnclaimed(id: Id, event: IdEvent): Promise<Decided> {
    heartbeat.assertCurrent();
    const record = await calls.read.ask(decodeBase32(id));
    // One that is not accepted may take long, and is waited for below.
    if (claims.get(id) !== undefined) return await decide(id, event);
    if (record === undefined || !isInDoubt(record.state)) return decidedBy(PROTOCOL.absent[event]);
    if (isHeldElsewhere(record, heartbeat.incarnation, heartbeat.tellsTheDead())) return "elsewhere";
    const [result] = await claim([{ id, digest: record.digest }]);
    const entry = claims.get(id);
    if (result?.kind === "repeat" || result === undefined || entry?.fence !== result.claim.fence) {
      return result?.kind === "repeat" && result.standing !== "relayed" ? "elsewhere" : "nothing";
    }
    const state = result.kind === "doubtful" ? "remembered" : "absent";
    return await claims.inTurn(entry, async () => {
      const next = decidedBy(PROTOCOL[state][event]);
      if (next === "nothing") {
        await givingUp.release([entry]);
        return next;
      }
      const isWritten = await writer.move(entry, event, "").catch(async (error: unknown) => {
        if (next === "relayed") givingUp.relayLater(entry);
        else await givingUp.release([entry]).catch(() => {});
        throw error;
      });
      if (!isWritten) {
        claims.end(entry);
        return "elsewhere";
      }
      open.delete(id);
      if (next === "absent") await givingUp.release([entry]);
      else claims.end(entry);
      return next;
    });
  }

  async function prove(id: Id, at: number | undefined): Promise<Proved> {
    const isOfThis = (earlier: number | undefined): boolean =>
      isOfThisMail(at, earlier, clock.now() - retentionMs);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      heartbeat.assertCurrent();
      const held = claims.get(id);
      const there = held === undefined ? await proveUnheld(id, isOfThis) : undefined;
      if (there !== undefined) return there;
      if (held !== undefined && !isOfThis(held.earlier)) return "nothing";
      const decided = await decide(id, "evidence");
      // Another gateway has it since, and holds or settles it.
      if (decided !== "elsewhere") return provedBy(decided);
    }
    throw new StorageError("unavailable", `${id} changes faster than it can be settled`);
  }

  /** Undefined: nobody holds it, or this gateway does by now. */
  async function proveUnheld(
    id: Id,
    isOfThis: (earlier: number | undefined) => boolean,
  ): Promise<Proved | undefined> {
    const key = decodeBase32(id);
    const record = await calls.read.ask(key);
    if (record === undefined || !isInDoubt(record.state) || !isOfThis(record.relayed?.at)) {
      return provedBy(PROTOCOL.absent.evidence);
    }
    if (!isHeldElsewhere(record, heartbeat.incarnation, heartbeat.tellsTheDead())) return undefined;
    // Remembered has no holder. What is attempted again is kept as doubtful, and evidence makes the same of both.
    const { state, fence, digest } = record;
    if (state !== "doubtful") return provedBy(PROTOCOL.attempted.evidence);
    const change = { key, fence, step: EVIDENCE_STEP, to: "relayed", digest, firstDate: undefined } as const;
    if (!(await calls.change.ask({ ...change, bound: false }))) return undefined;
    open.delete(id);
    return provedBy(PROTOCOL.doubtful.evidence);
  }

  async function forget(id: Id): Promise<Forgotten> {
    heartbeat.assertCurrent();
    const key = decodeBase32(id);
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const held = claims.get(id);
      if (held !== undefined) return forgottenBy(PROTOCOL[pendingOr(held)].forget);
      const record = await calls.read.ask(key);
      if (record === undefined) return forgottenBy(PROTOCOL.absent.forget);
      const state = unheldState(record);
      if (state === undefined) return "elsewhere";
      if (state !== "relayed") return forgottenBy(PROTOCOL[state].forget);
      const { fence, digest } = record;
      const change = { key, fence, step: LAST_STEP, to: "forgotten", digest, firstDate: undefined } as const;
      if (await calls.change.ask({ ...change, bound: false })) return forgottenBy(PROTOCOL.relayed.forget);
    }
    throw new StorageError("unavailable", `${id} changes faster than it can be forgotten`);
  }

  /** Of what no claim of this process holds: what it is to a claim that comes now. Undefined: another gateway holds it. */
  function unheldState(
    record: LedgerRecord,
  ): "absent" | "claimed" | "remembered" | "relayed" | "forgotten" | undefined {
    if (isHeldElsewhere(record, heartbeat.incarnation, heartbeat.tellsTheDead())) return undefined;
    if (isInDoubt(record.state)) return "remembered";
    // Left from a call without an answer, and given up soon.
    if (record.holder?.incarnation === heartbeat.incarnation) return "claimed";
    if (record.relayed === undefined || record.expired) return "absent";
    return record.forgotten ? "forgotten" : "relayed";
  }

  return { decide: (id, decision) => decide(id, DECISION_EVENTS[decision]), prove, forget };
}

/** Its state, when it is not being claimed still. */
const pendingOr = (held: Held): IdState => {
  if (held.isAccepted) return stateOf(held);
  return held.doubt === undefined ? "claimed" : "reclaimed";
};
