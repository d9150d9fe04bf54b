// Receives the content of one mail transaction: line ends normalised, header apart, the body in memory
// up to a threshold and in a file of the spool beyond it. What it holds in memory is bounded, whatever
// the client sends. What the content means is for accept.ts.
import { createMailDigest, type MailDigest } from "../message/digest.ts";
import { createHeaderScanner, fieldValue, type HeaderField, parseHeader } from "../message/header.ts";
import { createNewlineNormaliser } from "../message/newlines.ts";
import type { FileWriter } from "../runtime/storage.ts";
import { type Reply, replies, replyForFailure } from "./reply.ts";

export interface ReceiveLimits {
  /** Octets of the message after normalisation. */
  readonly messageOctets: number;
  readonly headerOctets: number;
  /** Octets of a line without its CRLF. */
  readonly lineOctets: number;
}

/** A body up to this stays in memory and goes into the spool's own store; a larger one gets a file. */
export const BODY_IN_MEMORY_OCTETS = 64 * 1024;

/** An octet in a piece of its own needs a hundred times its memory; so many pieces are joined to one. */
const PIECES_MAX = 64;

export interface ReceivedContent {
  readonly fields: readonly HeaderField[];
  /** The body, or undefined when it is in the file. */
  readonly body: Uint8Array | undefined;
  readonly bodySize: number;
  readonly eightBit: boolean;
  /** DIGEST_OCTETS octets. */
  readonly digest: Uint8Array;
}

export type Received =
  | { readonly kind: "content"; readonly content: ReceivedContent }
  | { readonly kind: "refused"; readonly reply: Reply; readonly cause?: unknown };

/**
 * Reads the content to its end, also when it is refused on the way: SMTP has no reply before the final
 * dot. A file it began is durable on "content", and gone on "refused" and on rejection. A disk that fails
 * on the way is a refusal too.
 *
 * @param source rejects when the client goes away before the final dot
 */
export async function receiveContent(
  source: AsyncIterable<Uint8Array>,
  limits: ReceiveLimits,
  createBody: () => Promise<FileWriter>,
): Promise<Received> {
  const receiver = createReceiver(limits, createBody);
  try {
    for await (const chunk of source) {
      const written = receiver.push(chunk);
      if (written !== undefined) await written.catch(receiver.fail);
    }
    return await receiver.end().catch(async (error) => {
      await receiver.fail(error);
      return receiver.refused();
    });
  } catch (error) {
    await receiver.discard();
    throw error;
  }
}

interface HeaderPart {
  readonly fields: readonly HeaderField[];
  readonly octets: number;
}

function createReceiver(limits: ReceiveLimits, createBody: () => Promise<FileWriter>) {
  const normaliser = createNewlineNormaliser();
  const scanner = createHeaderScanner(limits.headerOctets);
  let header: HeaderPart | undefined;
  let digest: MailDigest | undefined;
  let held: Uint8Array[] = [];
  let bodySize = 0;
  let file: FileWriter | undefined;
  let refusal: Reply | undefined;
  let cause: unknown;

  const discard = async (): Promise<void> => {
    held = [];
    await file?.discard();
    file = undefined;
  };

  const refuse = async (reply: Reply): Promise<void> => {
    refusal = reply;
    await discard();
  };

  const spill = async (): Promise<void> => {
    file ??= await createBody();
    for (const octets of held.splice(0)) await file.append(octets);
  };

  const pushBody = (octets: Uint8Array): Promise<void> | undefined => {
    if (octets.length === 0) return undefined;
    bodySize += octets.length;
    if ((header?.octets ?? 0) + bodySize > limits.messageOctets) {
      return refuse(replies.tooLarge(limits.messageOctets));
    }
    digest?.body(octets);
    held.push(octets);
    if (held.length >= PIECES_MAX) held = [Buffer.concat(held)];
    return file !== undefined || bodySize > BODY_IN_MEMORY_OCTETS ? spill() : undefined;
  };

  const take = (octets: Uint8Array, ended = false): Promise<void> | undefined => {
    if (header !== undefined) return pushBody(octets);
    const scan = scanner.push(octets) ?? (ended ? scanner.end() : undefined);
    if (scan === undefined) return undefined;
    if (scan.kind === "too-long") return refuse(replies.headerTooLarge(limits.headerOctets));
    const fields = parseHeader(scan.header);
    header = { fields, octets: scan.header.length };
    digest = createMailDigest(fieldValue(fields, "from"), fieldValue(fields, "subject"));
    return pushBody(scan.rest);
  };

  const refused = (): Received => ({ kind: "refused", reply: refusal ?? replies.unavailable, cause });

  return {
    discard,
    refused,

    async fail(error: unknown): Promise<void> {
      cause = error;
      await refuse(replyForFailure(error));
    },

    /** Undefined when the next octets may come at once. */
    push(chunk: Uint8Array): Promise<void> | undefined {
      return refusal === undefined ? take(normaliser.push(chunk)) : undefined;
    },

    async end(): Promise<Received> {
      if (refusal === undefined) await take(normaliser.end(), true);
      const { longestLine, eightBit } = normaliser.facts();
      if (refusal === undefined && longestLine > limits.lineOctets) {
        await refuse(replies.lineTooLong(limits.lineOctets));
      }
      if (refusal !== undefined || header === undefined || digest === undefined) {
        return refused();
      }
      await file?.close();
      const { fields } = header;
      return {
        kind: "content",
        content: {
          fields,
          body: file === undefined ? Buffer.concat(held, bodySize) : undefined,
          bodySize,
          eightBit,
          digest: digest.digest(),
        },
      };
    },
  };
}
