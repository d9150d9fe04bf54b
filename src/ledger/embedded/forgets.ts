// Which relayings an operator has forgotten: all of them in memory, since they are few, each durable on the disk first.
// An older mailonce does not read them: to it the ids are relayed.
import type { Id } from "../../identity/message-id.ts";
import { decodeBase32, encodeBase32 } from "../../runtime/base32.ts";
import type { Store } from "../../storage/storage.ts";
import type { Relayed } from "../archive/archive.ts";
import {
  decodeForgotten,
  encodeForgotten,
  FORGOTTEN_RANGE,
  type Forgotten,
  forgottenKey,
} from "./records.ts";

export interface Forgets {
  /** Whether this relaying of the id is forgotten: a later one is not. */
  of(id: Id, relayed: Relayed): Forgotten | undefined;
  /** What was forgotten last of the id. It may have been relayed since. */
  last(id: Id): Forgotten | undefined;
  /** Durable when it resolves. */
  forget(id: Id, forgotten: Forgotten): Promise<void>;
  /** Removes what is of no use: relayings before `time` that have expired, or were followed by others. */
  expire(time: number, find: (key: Uint8Array) => Promise<Relayed | undefined>): Promise<void>;
}

export async function openForgets(store: Store): Promise<Forgets> {
  const forgets = new Map<Id, Forgotten>();
  for await (const [key, value] of store.entries(FORGOTTEN_RANGE)) {
    forgets.set(encodeBase32(key.slice(1)), decodeForgotten(value));
  }

  const of = (id: Id, { time }: Relayed): Forgotten | undefined => {
    const forgotten = forgets.get(id);
    return forgotten?.relayedAt === time ? forgotten : undefined;
  };

  return {
    of,
    last: (id) => forgets.get(id),
    async forget(id, forgotten) {
      const key = forgottenKey(decodeBase32(id));
      await store.commit([{ type: "put", key, value: encodeForgotten(forgotten) }]);
      forgets.set(id, forgotten);
    },
    async expire(time, find) {
      for (const [id, forgotten] of forgets) {
        if (forgotten.relayedAt >= time) continue;
        const key = decodeBase32(id);
        const relayed = await find(key);
        // Its generation goes later than it expires.
        if ((relayed !== undefined && of(id, relayed) !== undefined) || forgets.get(id) !== forgotten)
          continue;
        await store.commit([{ type: "del", key: forgottenKey(key) }]);
        forgets.delete(id);
      }
    },
  };
}
