// Who gets a connection: the limits over all listeners together. A full gateway makes room for a new
// connection by closing the one that has been idle longest without submitting anything, so that connections
// held open for nothing never keep a mailer out.
import { addressKey, type Networks } from "../address/networks.ts";
import type { Log } from "../runtime/log.ts";
import { type Reply, replies } from "../submission/reply.ts";

/** One connection, from the moment it is accepted. */
export interface Guest {
  /** Milliseconds since the epoch: when it last got a reply, or connected. */
  readonly idleSince: number;
  /** It has not submitted a mail, and is not submitting one. */
  readonly dispensable: boolean;
  /** Ends it, with the reply where the client can receive one. */
  dismiss(reply: Reply): void;
}

export interface Admission {
  /** Whether the address may have a connection at all; the reply when not. Counts nothing. */
  refusal(address: string): Reply | undefined;
  /** Counts the connection, making room where there is none; the reply when it can't be had. */
  enter(guest: Guest, address: string): Reply | undefined;
  /** To be called once for each guest that has entered. */
  leave(guest: Guest): void;
}

export interface AdmissionOptions {
  readonly connectionsMax: number;
  readonly connectionsPerAddressMax: number;
  readonly allowed: Networks;
  /** May use all connections from one address. */
  readonly trusted: Networks;
  /** After too many wrong passwords. */
  readonly blocked: (address: string) => boolean;
}

/** Where a guest comes from. */
interface Place {
  readonly key: string;
  readonly isTrusted: boolean;
}

/**
 * A stranger this young may still be about to authenticate; only older ones are dismissed for other
 * strangers. So strangers that come and go can't keep out trusted clients.
 */
const YOUNG_MS = 1_000;

/** Between two lines about a full gateway, so that a client that fills the gateway can't fill the log. */
const FULL_LOG_MS = 60_000;

export function createAdmission(
  options: AdmissionOptions,
  now: () => number,
  log: Pick<Log, "warn" | "debug">,
): Admission {
  const guests = new Map<Guest, Place>();
  const counts = new Map<string, number>();
  let fullLoggedAt = Number.NEGATIVE_INFINITY;

  const refused = (reply: Reply, address: string, reason: string): Reply => {
    log.debug("connection.refused", { client: address, reason });
    return reply;
  };

  const leave = (guest: Guest): void => {
    const place = guests.get(guest);
    if (place === undefined) return;
    guests.delete(guest);
    const left = (counts.get(place.key) ?? 0) - 1;
    if (left > 0) counts.set(place.key, left);
    else counts.delete(place.key);
  };

  /** The one idle longest; a scan, but only of a full gateway, and of no more than it holds. */
  const dispensableFor = (newcomer: Place): Guest | undefined => {
    let longest: Guest | undefined;
    const youngest = now() - YOUNG_MS;
    for (const [guest, { isTrusted }] of guests) {
      const isSafe = guest.idleSince > youngest && (isTrusted || !newcomer.isTrusted);
      if (isSafe || !guest.dispensable) continue;
      if (longest === undefined || guest.idleSince < longest.idleSince) longest = guest;
    }
    return longest;
  };

  const refusal = (address: string): Reply | undefined => {
    if (!options.allowed.has(address)) return refused(replies.notWelcome, address, "not in allowed_networks");
    // One bad mailer must not lock out a whole trusted host.
    if (options.blocked(address) && !options.trusted.has(address))
      return refused(replies.blocked, address, "too many wrong passwords");
    return undefined;
  };

  return {
    refusal,
    leave,

    enter(guest, address) {
      const unwelcome = refusal(address);
      if (unwelcome !== undefined) return unwelcome;
      const key = addressKey(address);
      const place = { key, isTrusted: options.trusted.has(address) };
      const count = counts.get(key) ?? 0;
      if (count >= options.connectionsPerAddressMax && !place.isTrusted) {
        return refused(replies.tooManyConnections, address, "connections_per_address_max");
      }
      if (guests.size >= options.connectionsMax) {
        if (now() - fullLoggedAt >= FULL_LOG_MS) {
          fullLoggedAt = now();
          log.warn("connection.full", { connections: guests.size });
        }
        const other = dispensableFor(place);
        if (other === undefined) return refused(replies.tooManyConnections, address, "connections_max");
        leave(other);
        other.dismiss(replies.tooManyConnections);
      }
      guests.set(guest, place);
      counts.set(key, (counts.get(key) ?? 0) + 1);
      return undefined;
    },
  };
}
