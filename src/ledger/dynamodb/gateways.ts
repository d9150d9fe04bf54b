// Who is alive, in a store without a clock. One item holds what all gateways last said of themselves: each
// beat changes it and gets it back, so that the others' beats cost nothing more.
//
//     version         counts the changes of the item; a beat is the version that it made
//     life <gateway>  the current incarnation: the version that its registration made
//     beat <gateway>  the last beat, 0 when it has ended in order
//     seen <gateway>  "INCARNATION VERSION": the version of the settings that this life has confirmed
//     settings, settingsVersion  what all gateways share
//
// A gateway is dead when this process has seen its beat unchanged for a lease by its own monotonic clock: from
// the answer that first showed the beat to the sending of the request whose answer still shows it. So a process
// that was stopped itself takes nobody for dead before it has asked again.
import { StorageError } from "../../storage/storage.ts";
import type { Beat, Holder, StoredSettings } from "../shared/engine.ts";
import type { Item } from "./client.ts";
import type { ItemRequests } from "./item-requests.ts";
import { number, numberOf, text } from "./items.ts";
import type { Call } from "./send.ts";

/** Longer than the 20 octets of an id, so that it is none. */
export const GATEWAYS_KEY = new Uint8Array(Buffer.from("mailonce: the gateways"));

const LIFE = "life ";
const BEAT = "beat ";
const SEEN = "seen ";
const SETTINGS = "settings";
const SETTINGS_VERSION = "settingsVersion";

/**
 * Leases after which a silent gateway is taken out of the item, an hour: what is not in it is dead, and a gateway that
 * comes back after all puts itself in again. The item stays small where gateways come and go.
 */
const FORGET_LEASES = 120;

/** Beats in a lease: one that is not answered ends before the next is due. */
const BEATS_IN_LEASE = 6;

interface Seen {
  readonly gateway: string;
  readonly beat: number;
  /** The version of the settings that it has confirmed; 0: none. */
  readonly confirmed: number;
  /** When the answer came that first showed this beat, by the monotonic clock. */
  readonly since: number;
}

export interface Gateways {
  register(gateway: string): Promise<number>;
  beat(gateway: string, incarnation: number, confirmed: number): Promise<Beat>;
  settings(): Promise<StoredSettings | undefined>;
  putSettings(from: number, settings: StoredSettings): Promise<boolean>;
  retire(gateway: string, incarnation: number): Promise<void>;
  /** Reads how they are. */
  refresh(call: Call): Promise<void>;
  /** As last read. */
  holder(incarnation: number): Holder;
  /** Takes gateways out of the item that have long been dead. */
  forget(): Promise<void>;
}

/**
 * @param leaseMs the one that is in force now
 * @param elapsed milliseconds since any moment; never steps back, and goes on while the process is stopped */
export function createGateways(
  requests: ItemRequests,
  leaseMs: () => number,
  elapsed: () => number,
): Gateways {
  let version = 0;
  let settings: StoredSettings | undefined;
  let lives = new Map<number, Seen>();
  /** When the latest request was sent whose answer is known. */
  let readAt = Number.NEGATIVE_INFINITY;

  function see(item: Item, sentAt: number): void {
    // Answers may overtake one another.
    if (numberOf(item, "version") < version) return;
    version = numberOf(item, "version");
    readAt = Math.max(readAt, sentAt);
    settings = settingsOf(item);
    const seen = new Map<number, Seen>();
    for (const name of Object.keys(item)) {
      if (!name.startsWith(LIFE)) continue;
      const gateway = name.slice(LIFE.length);
      const incarnation = numberOf(item, name);
      const beat = numberOf(item, BEAT + gateway);
      const before = lives.get(incarnation);
      const since = before?.beat === beat ? before.since : elapsed();
      seen.set(incarnation, { gateway, beat, confirmed: confirmedBy(item, gateway, incarnation), since });
    }
    lives = seen;
  }

  const silence = ({ since }: Seen) => readAt - since;
  const isLive = (one: Seen) => one.beat > 0 && silence(one) < leaseMs();

  async function refresh(call: Call): Promise<void> {
    const sentAt = elapsed();
    see((await requests.get(call, GATEWAYS_KEY)) ?? {}, sentAt);
  }

  /** Names of attributes hold what an expression can't. */
  const namesOf = (gateway: string) => ({ "#life": LIFE + gateway, "#beat": BEAT + gateway });
  const seenBy = (gateway: string) => ({ "#seen": SEEN + gateway });
  const SETTINGS_NAMES = { "#settings": SETTINGS, "#settingsVersion": SETTINGS_VERSION };

  return {
    refresh,
    holder(incarnation) {
      const one = lives.get(incarnation);
      // Every current incarnation is in the item; a greater one has registered since it was read.
      const alive = one === undefined ? incarnation > version : isLive(one);
      return { incarnation, alive, gateway: one?.gateway };
    },

    async register(gateway) {
      const call = requests.begin();
      for (;;) {
        await refresh(call);
        // The condition makes it once only: a request that is late finds the version gone by.
        const sentAt = elapsed();
        const written = await requests.update(call, GATEWAYS_KEY, {
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
        throw new StorageError(
          "unavailable",
          `DynamoDB: table ${requests.table} did not keep the registration`,
        );
      }
    },

    async beat(gateway, incarnation, confirmed) {
      const sentAt = elapsed();
      const written = await requests.update(requests.begin(leaseMs() / BEATS_IN_LEASE), GATEWAYS_KEY, {
        update:
          "SET version = if_not_exists(version, :life) + :one, #life = :life, " +
          "#beat = if_not_exists(version, :life) + :one, #seen = :seen",
        condition: "attribute_not_exists(#life) OR (#life = :life AND #beat > :none)",
        values: {
          ...{ ":life": number(incarnation), ":one": number(1), ":none": number(0) },
          ":seen": text(`${incarnation} ${confirmed}`),
        },
        names: { ...namesOf(gateway), ...seenBy(gateway) },
        returns: true,
        isUrgent: true,
      });
      const item = written.kind === "written" ? written.item : written.found;
      see(item ?? {}, sentAt);
      const live = [...lives.values()].filter(isLive);
      return {
        current: written.kind === "written",
        gateways: Math.max(live.length, 1),
        settings,
        confirmed: Math.min(confirmed, ...live.map((one) => one.confirmed)),
      };
    },

    async settings() {
      return settingsOf((await requests.get(requests.begin(), GATEWAYS_KEY)) ?? {});
    },

    async putSettings(from, next) {
      const written = await requests.update(requests.begin(), GATEWAYS_KEY, {
        update:
          "SET version = if_not_exists(version, :none) + :one, #settings = :text, #settingsVersion = :next",
        condition: from === 0 ? "attribute_not_exists(#settingsVersion)" : "#settingsVersion = :from",
        values: {
          ...{
            ":none": number(0),
            ":one": number(1),
            ":text": text(next.text),
            ":next": number(next.version),
          },
          ...(from === 0 ? {} : { ":from": number(from) }),
        },
        names: SETTINGS_NAMES,
      });
      if (written.kind === "written") return true;
      // By a request of this call whose answer was lost, or by another gateway, which comes to the same.
      const found = settingsOf(written.found ?? {});
      return written.isUncertain && found?.version === next.version && found.text === next.text;
    },

    async retire(gateway, incarnation) {
      await requests.update(requests.begin(), GATEWAYS_KEY, {
        update: "SET version = version + :one, #beat = :none",
        condition: "#life = :life",
        values: { ":life": number(incarnation), ":one": number(1), ":none": number(0) },
        names: namesOf(gateway),
      });
    },

    async forget() {
      for (const [incarnation, seen] of lives) {
        if (silence(seen) < leaseMs() * FORGET_LEASES) continue;
        await requests.update(requests.begin(), GATEWAYS_KEY, {
          update: "SET version = version + :one REMOVE #life, #beat, #seen",
          condition: "#life = :life AND #beat = :beat",
          values: { ":life": number(incarnation), ":beat": number(seen.beat), ":one": number(1) },
          names: { ...namesOf(seen.gateway), ...seenBy(seen.gateway) },
        });
      }
    },
  };
}

function settingsOf(item: Item): StoredSettings | undefined {
  const text = item[SETTINGS]?.S;
  return text === undefined ? undefined : { version: numberOf(item, SETTINGS_VERSION), text };
}

/** An older mailonce that starts leaves what an earlier life of its gateway has confirmed. */
function confirmedBy(item: Item, gateway: string, incarnation: number): number {
  const [life, version] = (item[SEEN + gateway]?.S ?? "").split(" ").map(Number);
  return life === incarnation ? (version ?? 0) : 0;
}
