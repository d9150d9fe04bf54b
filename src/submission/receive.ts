// Receives the content of one mail transaction: line ends normalised, header apart, the body in memory up to
// a threshold and in a file of the spool beyond it. The memory that it holds is bounded for each mail and
// over all connections, whatever the client sends. accept.ts interprets the content.
import { createMailDigest, type MailDigest, type MailDigests } from "../message/digest.ts";
import { createFromLineFilter } from "../message/from-line.ts";
import {
  createHeaderScanner,
  fieldValue,
  type HeaderField,
  type HeaderScanner,
  parseHeaderWithin,
} from "../message/header.ts";
import { createNewlineNormaliser } from "../message/newlines.ts";
import type { FileWriter } from "../storage/storage.ts";
import { createReceiveBudget, type ReceiveShare } from "./receive-budget.ts";
import { type Reply, replies, replyForFailure } from "./reply.ts";

export interface ReceiveLimits {
  /** Octets of the message after normalisation. */
  readonly messageOctets: number;
  readonly headerOctets: number;
  /** Octets of a line without its CRLF. */
  readonly lineOctets: number;
  /** For content with a bare CR or LF: each becomes CRLF (unless given), or the content is refused. */
  readonly bareNewlines?: "normalize" | "reject";
}

/** A body up to this stays in memory and goes into the spool's own store; a larger one gets a file. */
export const BODY_IN_MEMORY_OCTETS = 64 * 1024;

/**
 * Fields of a header. A mail that went through fifty servers has a few hundred; 23,000 fit into 256 KiB, and what is
 * done with each of them would hold up all other clients for a quarter of a second.
 */
const HEADER_FIELDS_MAX = 2_000;

/** An octet in a piece of its own needs a hundred times its memory; so many pieces are joined to one. */
const PIECES_MAX = 64;

export interface ReceivedContent extends MailDigests {
  readonly fields: readonly HeaderField[];
  /** The body, or undefined when it is in the file. */
  readonly body: Uint8Array | undefined;
  readonly bodySize: number;
  readonly eightBit: boolean;
  /**
   * The beginning of the body of a message whose header has no field, or ended at a line that is none: what was
   * meant as header may be in it.
   */
  readonly strayed?: Uint8Array | undefined;
}

/** Enough for any header that a mailer wrote below a line that ended it. */
const STRAYED_OCTETS = 16 * 1024;

export type Received =
  | { readonly kind: "content"; readonly content: ReceivedContent }
  | { readonly kind: "refused"; readonly reply: Reply; readonly cause?: unknown };

/** The message as it came. @param readBody from the file, where it is in one */
export async function* octetsOf(
  { fields, body }: ReceivedContent,
  readBody: () => AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array> {
  // In one piece: a header can have 60,000 fields.
  yield Buffer.concat([...fields.map(({ raw }) => raw), Buffer.from("\r\n")]);
  if (body !== undefined) yield body;
  else yield* readBody();
}

/**
 * Reads the content to its end, also when it is refused on the way: SMTP has no reply before the final
 * dot. A file it began is durable on "content", and gone on "refused" and on rejection. A disk that fails
 * on the way is a refusal too.
 *
 * A NUL is refused whatever the limits: no mail may have one (RFC 5322 §3.5, RFC 2045 §2.8), mail stores
 * refuse it, and a server that drops NULs sees the end of data in a line of one dot and a NUL, so that what
 * follows becomes commands.
 *
 * @param source rejects when the client goes away before the final dot
 * @param takeRoom whether the disk has room for so many octets of the body more
 * @param share has taken what the content holds in memory afterwards: nothing unless it is "content"
 */
export async function receiveContent(
  source: AsyncIterable<Uint8Array>,
  limits: ReceiveLimits,
  createBody: () => Promise<FileWriter>,
  share: ReceiveShare = createReceiveBudget(Number.POSITIVE_INFINITY).open(),
  takeRoom: (octets: number) => Promise<boolean> = async () => true,
): Promise<Received> {
  const receiver = createReceiver(limits, createBody, share, takeRoom);
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

function createReceiver(
  limits: ReceiveLimits,
  createBody: () => Promise<FileWriter>,
  share: ReceiveShare,
  takeRoom: (octets: number) => Promise<boolean>,
) {
  const normaliser = createNewlineNormaliser();
  const fromLine = createFromLineFilter();
  /** Until the header is known. */
  let scanner: HeaderScanner | undefined = createHeaderScanner(limits.headerOctets);
  let header: HeaderPart | undefined;
  let digest: MailDigest | undefined;
  let held: Uint8Array[] = [];
  /** Octets that `share` has taken for the header, and for `held`. */
  let headerShare = 0;
  let heldShare = 0;
  let bodySize = 0;
  /** Given while the beginning of the body is wanted. */
  let strayed: Buffer | undefined;
  let file: FileWriter | undefined;
  let refusal: Reply | undefined;
  let cause: unknown;

  const discard = async (): Promise<void> => {
    scanner = undefined;
    header = undefined;
    held = [];
    share.give(headerShare + heldShare);
    headerShare = 0;
    heldShare = 0;
    await file?.discard();
    file = undefined;
  };

  const refuse = async (reply: Reply): Promise<void> => {
    refusal = reply;
    await discard();
  };

  const spill = async (): Promise<void> => {
    const octets = held.reduce((sum, { length }) => sum + length, 0);
    if (!(await takeRoom(octets))) return await refuse(replies.full);
    file ??= await createBody();
    for (const octets of held.splice(0)) await file.append(octets);
    share.give(heldShare);
    heldShare = 0;
  };

  const pushBody = (octets: Uint8Array): Promise<void> | undefined => {
    if (octets.length === 0) return undefined;
    bodySize += octets.length;
    if (strayed !== undefined && strayed.length < STRAYED_OCTETS) {
      strayed = Buffer.concat([strayed, octets.subarray(0, STRAYED_OCTETS - strayed.length)]);
    }
    if ((header?.octets ?? 0) + bodySize > limits.messageOctets) {
      return refuse(replies.tooLarge(limits.messageOctets));
    }
    digest?.body(octets);
    held.push(octets);
    if (file !== undefined || bodySize > BODY_IN_MEMORY_OCTETS || !share.take(octets.length)) return spill();
    heldShare += octets.length;
    if (held.length >= PIECES_MAX) held = [Buffer.concat(held)];
    return undefined;
  };

  /** Makes `octets` what `share` has taken for the header; false when they are not left. */
  const takeHeader = (octets: number): boolean => {
    if (octets > headerShare && !share.take(octets - headerShare)) return false;
    if (octets < headerShare) share.give(headerShare - octets);
    headerShare = octets;
    return true;
  };

  const take = (octets: Uint8Array, ended = false): Promise<void> | undefined => {
    if (scanner === undefined) return pushBody(octets);
    const scan = scanner.push(octets) ?? (ended ? scanner.end() : undefined);
    if (scan === undefined) {
      return takeHeader(headerShare + octets.length) ? undefined : refuse(replies.busy);
    }
    if (scan.kind === "too-long") return refuse(replies.headerTooLarge(limits.headerOctets));
    if (!takeHeader(scan.header.length)) return refuse(replies.busy);
    scanner = undefined;
    // A copy: the fields outlive the chunk that they came in with the beginning of the body.
    const fields = parseHeaderWithin(Buffer.from(scan.header), HEADER_FIELDS_MAX);
    if (fields === undefined) return refuse(replies.tooManyFields(HEADER_FIELDS_MAX));
    header = { fields, octets: scan.header.length };
    if (fields.length === 0 || !scan.separator) strayed = Buffer.alloc(0);
    digest = createMailDigest(fieldValue(fields, "from"), fieldValue(fields, "subject"));
    return pushBody(scan.rest);
  };

  /** The reply to what no upstream is to be handed. */
  const fault = (): Reply | undefined => {
    const { nul, bareCr, bareLf } = normaliser.facts();
    if (nul) return replies.hasNul;
    return limits.bareNewlines === "reject" && bareCr + bareLf > 0 ? replies.bareNewline : undefined;
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
      if (refusal !== undefined) return undefined;
      const octets = fromLine.push(normaliser.push(chunk));
      const reply = fault();
      return reply === undefined ? take(octets) : refuse(reply);
    },

    async end(): Promise<Received> {
      if (refusal === undefined) {
        await take(fromLine.push(normaliser.end()));
        if (refusal === undefined) await take(fromLine.end(), true);
      }
      const { longestLine, eightBit } = normaliser.facts();
      const reply = longestLine > limits.lineOctets ? replies.lineTooLong(limits.lineOctets) : fault();
      if (refusal === undefined && reply !== undefined) await refuse(reply);
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
          ...digest.digests(),
          strayed: strayed === undefined || strayed.length === 0 ? undefined : strayed,
        },
      };
    },
  };
}
