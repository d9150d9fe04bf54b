// How a record is kept as an item of DynamoDB, and the conditional writes that change it. Pure.
//
//     id          the key: 20 octets. The heartbeats (gateways.ts) have a longer one.
//     standing    the state (`state` is one of DynamoDB's reserved words)
//     fence, step, holder, digest, firstDate, changedAt     as in engine.ts
//     boundFence  the fence under which the holder was bound; of an older fence, or absent, it is not
//     relayedAt   and, while it is held or remembered, `earlier`, the digest of what was relayed, and
//                 `earlierExpires`, what `expires` becomes when that is restored
//     forgotten   the relayedAt that an operator has forgotten; another relaying is not. To an older mailonce it is relayed
//     expires     seconds since the epoch, for DynamoDB's TTL; never of an open record
//     doubt       only of open records, so that only they are in the index of that name
//
// Claimed and queued records have `expires` too, so that DynamoDB removes those of a gateway that never comes
// back. A live gateway attempts its own within the spool's lifetime, which is shorter than the retention
// (docs/design.md, P11). If such a record were removed anyway, the gateway would claim the id again before its
// attempt.

import {
  type Change,
  type Holder,
  type Insertion,
  isInDoubt,
  type LedgerRecord,
  type RecordState,
  type Taking,
} from "../shared/engine.ts";
import type { Item } from "./client.ts";
import type { Condition, Update } from "./item-requests.ts";

/** The attribute that TTL is set to. */
export const EXPIRES = "expires";
/** The index of the open records, those in doubt, and its key. They never expire unsaid. */
export const OPEN_INDEX = "doubt";
/** What the index holds beside keys, so that a sweep reads no item that is not due. */
export const CHANGED_AT = "changedAt";

/**
 * The first two of the id's octets are the key in the index: 65,536 values are spread over as many partitions
 * as the index will ever have.
 */
export const DOUBT_OCTETS = 2;

const HELD: ReadonlySet<string> = new Set<RecordState>([
  ...(["claimed", "queued", "attempted", "doubtful", "reclaimed"] as const),
]);
/** These leave `changedAt` as it is. */
const UNTIMED: ReadonlySet<string> = new Set<RecordState>(["reclaimed", "remembered"]);

export const octets = (value: Uint8Array) => ({ B: value });
export const number = (value: number) => ({ N: String(value) });
export const text = (value: string) => ({ S: value });

export const octetsOf = (item: Item, name: string): Uint8Array => new Uint8Array(item[name]?.B ?? []);
/** Zero when it is not there. */
export const numberOf = (item: Item, name: string): number => Number(item[name]?.N ?? 0);

export const expiryOf = (since: number, retentionMs: number): number =>
  Math.ceil((since + retentionMs) / 1_000);

export function itemOf({ key, digest }: Insertion, holder: number, fence: number, times: Times): Item {
  return {
    id: octets(key),
    standing: text("claimed"),
    fence: number(fence),
    step: number(0),
    holder: number(holder),
    digest: octets(digest),
    changedAt: number(times.now),
    expires: number(expiryOf(times.now, times.retentionMs)),
  };
}

export interface Times {
  /** By the clock of this gateway, milliseconds since the epoch. */
  readonly now: number;
  readonly retentionMs: number;
}

export function recordOf(
  item: Item,
  holderOf: (incarnation: number) => Holder,
  { now, retentionMs }: Times,
): LedgerRecord {
  const state = item.standing?.S as RecordState;
  const digest = octetsOf(item, "digest");
  const at = item.relayedAt === undefined ? undefined : numberOf(item, "relayedAt");
  const incarnation = numberOf(item, "holder");
  const fence = numberOf(item, "fence");
  return {
    state,
    fence,
    step: numberOf(item, "step"),
    digest,
    firstDate: item.firstDate?.S,
    relayed:
      at === undefined ? undefined : { at, digest: state === "relayed" ? digest : octetsOf(item, "earlier") },
    changedAt: numberOf(item, "changedAt"),
    holder: item.holder === undefined ? undefined : holderOf(incarnation),
    bound: numberOf(item, "boundFence") === fence,
    expired: at !== undefined && at < now - retentionMs,
    forgotten: at !== undefined && numberOf(item, "forgotten") === at,
  };
}

/** An update put together: attributes set, attributes removed. */
export function updateOf(
  sets: Readonly<Record<string, Item[string] | undefined>>,
  { condition, values = {} }: Condition,
): Update {
  const set: string[] = [];
  const remove: string[] = [];
  const all: Record<string, Item[string]> = { ...values };
  for (const [name, value] of Object.entries(sets)) {
    if (value === undefined) remove.push(name);
    else {
      set.push(`${name} = :${name}`);
      all[`:${name}`] = value;
    }
  }
  const removal = remove.length === 0 ? "" : ` REMOVE ${remove.join(", ")}`;
  return { update: `SET ${set.join(", ")}${removal}`, condition, values: all };
}

const doubtOf = (key: Uint8Array, state: RecordState) =>
  isInDoubt(state) ? octets(key.slice(0, DOUBT_OCTETS)) : undefined;

export function takingOf(taking: Taking, holder: number, fence: number, { now, retentionMs }: Times): Update {
  const { key, from, to, digest, firstDate, relayed } = taking;
  const sets = {
    standing: text(to),
    fence: number(fence),
    step: number(0),
    holder: number(holder),
    digest: octets(digest),
    firstDate: firstDate === undefined ? undefined : text(firstDate),
    relayedAt: relayed === undefined ? undefined : number(relayed.at),
    earlier: relayed === undefined ? undefined : octets(relayed.digest),
    earlierExpires: relayed === undefined ? undefined : number(expiryOf(relayed.at, retentionMs)),
    expires: to === "claimed" ? number(expiryOf(now, retentionMs)) : undefined,
    doubt: doubtOf(key, to),
    boundFence: undefined,
    ...(to === "claimed" ? { changedAt: number(now) } : {}),
  };
  return updateOf(sets, {
    condition: "fence = :was AND standing = :stood AND step = :stepped",
    values: { ":was": number(from.fence), ":stood": text(from.state), ":stepped": number(from.step) },
  });
}

/** That the record has the fence, and no later change. */
export const underFence = ({ fence, step }: Pick<Change, "fence" | "step">): Condition => ({
  condition: "fence = :fence AND step <= :step",
  values: { ":fence": number(fence), ":step": number(step) },
});

/** What `relayed` says counts again. What is relayed has no `earlier`. */
const RELAYED_BEFORE =
  "standing = :relayed, step = :step, digest = if_not_exists(earlier, digest), " +
  "expires = if_not_exists(earlierExpires, expires)";
const HELD_BEFORE = "holder, firstDate, doubt, earlier, earlierExpires, boundFence";

/** Of every change but to absent, which is a removal. */
export function changingOf(change: Change, { now, retentionMs }: Times): Update {
  const { key, fence, step, to, digest, firstDate, bound } = change;
  const held = underFence(change);
  if (to === "restored") {
    return {
      update: `SET ${RELAYED_BEFORE} REMOVE ${HELD_BEFORE}`,
      condition: `${held.condition} AND attribute_exists(earlier)`,
      values: { ...held.values, ":relayed": text("relayed") },
    };
  }
  if (to === "forgotten") {
    return {
      update: `SET ${RELAYED_BEFORE}, forgotten = relayedAt, changedAt = :now REMOVE ${HELD_BEFORE}`,
      condition: `${held.condition} AND attribute_exists(relayedAt)`,
      values: { ...held.values, ":relayed": text("relayed"), ":now": number(now) },
    };
  }
  const state = to as RecordState;
  const sets = {
    standing: text(state),
    step: number(step),
    digest: octets(digest),
    firstDate: firstDate === undefined ? undefined : text(firstDate),
    expires: isInDoubt(state) ? undefined : number(expiryOf(now, retentionMs)),
    doubt: doubtOf(key, state),
    boundFence: bound && HELD.has(state) ? number(fence) : undefined,
    ...(UNTIMED.has(state) ? {} : { changedAt: number(now) }),
    ...(HELD.has(state) ? {} : { holder: undefined }),
  };
  if (state !== "relayed") return updateOf(sets, held);
  // A clock that stops or steps back must not put a relaying before the one that it replaces.
  return updateOf(
    { ...sets, relayedAt: number(now), earlier: undefined, earlierExpires: undefined },
    {
      condition: `${held.condition} AND (attribute_not_exists(relayedAt) OR relayedAt < :relayedAt)`,
      ...(held.values === undefined ? {} : { values: held.values }),
    },
  );
}
