// Who is alive, in a store without a clock. One item holds what all gateways last said of themselves: each
// beat changes it and has it back, so that hearing the others costs nothing.
//
//     version         counts the changes of the item; a beat is the version that it made
//     life <gateway>  the current incarnation: the version that its registration made
//     beat <gateway>  the last beat, 0 when it has ended in order
//
// A gateway is dead when this process has seen its beat unchanged for a lease by its own monotonic clock: from
// the answer that first had the beat to the sending of the request whose answer still has it. So a process
// that was stopped itself takes nobody for dead before it has asked again.
import { StorageError } from "../../runtime/storage.ts";
import type { Beat } from "../shared/engine.ts";
import type { DynamodbTable, Item } from "./client.ts";
import { number, numberOf } from "./items.ts";
import type { Call } from "./send.ts";

/** Longer than the 20 octets of an id, so that it is none. */
export const GATEWAYS_KEY = new Uint8Array(Buffer.from("mailonce: the gateways"));

const LIFE = "life ";
const BEAT = "beat ";

/**
 * Leases after which a silent gateway is taken out of the item, an hour: what is not in it is dead, and who
 * comes back after all puts itself in again. The item stays small where gateways come and go.
 */
const FORGET_LEASES = 120;

/** Beats in a lease: one that is not answered ends before the next is due. */
const BEATS_IN_LEASE = 6;

interface Seen {
  readonly gateway: string;
  readonly beat: number;
  /** When the answer came that first had this beat, by the monotonic clock. */
  readonly since: number;
}

export interface Gateways {
  register(gateway: string): Promise<number>;
  beat(gateway: string, incarnation: number): Promise<Beat>;
  retire(gateway: string, incarnation: number): Promise<void>;
  /** Reads how they are. */
  refresh(call: Call): Promise<void>;
  /** As last read. */
  isAlive(incarnation: number): boolean;
  /** Takes out of the item who has long been dead. */
  forget(): Promise<void>;
}

/** @param elapsed milliseconds since any moment; never steps back, and goes on while the process is stopped */
export function createGateways(table: DynamodbTable, leaseMs: number, elapsed: () => number): Gateways {
  let version = 0;
  let lives = new Map<number, Seen>();
  /** When the latest request was sent whose answer is known. */
  let readAt = Number.NEGATIVE_INFINITY;

  function see(item: Item, sentAt: number): void {
    // Answers may overtake one another.
    if (numberOf(item, "version") < version) return;
    version = numberOf(item, "version");
    readAt = Math.max(readAt, sentAt);
    const seen = new Map<number, Seen>();
    for (const name of Object.keys(item)) {
      if (!name.startsWith(LIFE)) continue;
      const gateway = name.slice(LIFE.length);
      const incarnation = numberOf(item, name);
      const beat = numberOf(item, BEAT + gateway);
      const before = lives.get(incarnation);
      seen.set(incarnation, before?.beat === beat ? before : { gateway, beat, since: elapsed() });
    }
    lives = seen;
  }

  const silence = ({ since }: Seen) => readAt - since;
  const isLive = (one: Seen) => one.beat > 0 && silence(one) < leaseMs;

  async function refresh(call: Call): Promise<void> {
    const sentAt = elapsed();
    see((await table.get(call, GATEWAYS_KEY)) ?? {}, sentAt);
  }

  /** Names of attributes hold what an expression can't. */
  const namesOf = (gateway: string) => ({ "#life": LIFE + gateway, "#beat": BEAT + gateway });

  return {
    refresh,
    isAlive(incarnation) {
      const one = lives.get(incarnation);
      // Every current incarnation is in the item; a greater one has registered since it was read.
      return one === undefined ? incarnation > version : isLive(one);
    },

    async register(gateway) {
      const call = table.begin();
      for (;;) {
        await refresh(call);
        // The condition makes it once only: a request that is late finds the version gone by.
        const sentAt = elapsed();
        const written = await table.update(call, GATEWAYS_KEY, {
          update: "SET version = :next, #life = :next, #beat = :next",
          condition: version === 0 ? "attribute_not_exists(version)" : "version = :version",
          values: {
            ":next": number(version + 1),
            ...(version === 0 ? {} : { ":version": number(version) }),
          },
          names: namesOf(gateway),
          returns: true,
          isUrgent: true,
        });
        if (written.kind === "refused") continue;
        see(written.item ?? {}, sentAt);
        const incarnation = numberOf(written.item ?? {}, LIFE + gateway);
        if (incarnation > 0) return incarnation;
        throw new StorageError("unavailable", `DynamoDB: table ${table.name} did not keep the registration`);
      }
    },

    async beat(gateway, incarnation) {
      const sentAt = elapsed();
      const written = await table.update(table.begin(leaseMs / BEATS_IN_LEASE), GATEWAYS_KEY, {
        update:
          "SET version = if_not_exists(version, :life) + :one, #life = :life, " +
          "#beat = if_not_exists(version, :life) + :one",
        condition: "attribute_not_exists(#life) OR (#life = :life AND #beat > :none)",
        values: { ":life": number(incarnation), ":one": number(1), ":none": number(0) },
        names: namesOf(gateway),
        returns: true,
        isUrgent: true,
      });
      const item = written.kind === "written" ? written.item : written.found;
      see(item ?? {}, sentAt);
      const gateways = [...lives.values()].filter(isLive).length;
      return { current: written.kind === "written", gateways: Math.max(gateways, 1) };
    },

    async retire(gateway, incarnation) {
      await table.update(table.begin(), GATEWAYS_KEY, {
        update: "SET version = version + :one, #beat = :none",
        condition: "#life = :life",
        values: { ":life": number(incarnation), ":one": number(1), ":none": number(0) },
        names: namesOf(gateway),
      });
    },

    async forget() {
      for (const [incarnation, seen] of lives) {
        if (silence(seen) < leaseMs * FORGET_LEASES) continue;
        await table.update(table.begin(), GATEWAYS_KEY, {
          update: "SET version = version + :one REMOVE #life, #beat",
          condition: "#life = :life AND #beat = :beat",
          values: { ":life": number(incarnation), ":beat": number(seen.beat), ":one": number(1) },
          names: namesOf(seen.gateway),
        });
      }
    },
  };
}
