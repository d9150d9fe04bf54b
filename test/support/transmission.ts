// A Transmission out of thin air: what dispatch would hand to an upstream.

import { ID_OCTETS, type Id, messageIdOf } from "../../src/identity/message-id.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import type { Transmission } from "../../src/upstream/upstream.ts";

export interface TransmissionParts {
  /** Which one: the id and the Message-ID follow from it. 0 unless given. */
  readonly number?: number;
  /** The whole content; a small message unless given. */
  readonly octets?: Uint8Array;
  /** Octets of the body of the small message, about. */
  readonly bodyOctets?: number;
  /** The content is not in memory, and comes in pieces of this many octets. */
  readonly chunkOctets?: number;
  readonly reversePath?: string;
  readonly recipient?: string;
}

/** What dispatch has in memory: no more than the spool keeps in its records. */
const IN_MEMORY_OCTETS = 65_536;

export const neverAborted = new AbortController().signal;

/** An id as a derived one looks, from a number. */
export function idOf(number: number): Id {
  const octets = Buffer.alloc(ID_OCTETS);
  octets.writeUInt32BE(number, ID_OCTETS - 4);
  return encodeBase32(octets);
}

/** A message of a few lines with the given Message-ID and, on request, a body of some size. */
export function messageOf(messageId: string, bodyOctets = 0): Uint8Array {
  const line = `${"x".repeat(70)}\r\n`;
  const body = line.repeat(Math.ceil(bodyOctets / line.length));
  return Buffer.from(
    `Message-ID: ${messageId}\r\nFrom: <sender@example.org>\r\nTo: <reader@example.net>\r\n` +
      `Subject: A test\r\n\r\n.A line that starts with a dot.\r\n${body}`,
  );
}

export function transmissionOf(parts: TransmissionParts = {}): Transmission {
  const id = idOf(parts.number ?? 0);
  const messageId = messageIdOf(id, "example.org");
  const octets = parts.octets ?? messageOf(messageId, parts.bodyOctets);
  const step = parts.chunkOctets ?? 65_536;
  return {
    id,
    messageId,
    reversePath: parts.reversePath ?? "sender@example.org",
    recipient: parts.recipient ?? "reader@example.net",
    size: octets.length,
    eightBit: octets.some((octet) => octet > 127),
    ...(parts.chunkOctets === undefined && octets.length <= IN_MEMORY_OCTETS ? { octets } : {}),
    async *content() {
      for (let at = 0; at < octets.length; at += step) yield octets.subarray(at, at + step);
    },
  };
}
