// The bound in front of mailparser: each line of a message passes here before any library reads it, and its
// cost is counted. Beyond a limit decoding stops for good. After every few lines it waits for a turn of the
// event loop.
//
// This is no MIME reader: mailparser's own splitter tells where a header ends and how a part is encoded. The
// method that tells it is not in mailparser's documentation, so a version without it is refused.
import {
  base64Work,
  createHeaderWork,
  isUtf7,
  quotedPrintableWork,
  type TextPart,
  textWork,
  WORK_MAX,
} from "./decode-work.ts";
import type { Turns } from "./turns.ts";

/** Nanoseconds of a line, and of each octet in it, to split it and to take its transfer encoding off. */
const LINE_WORK = 1_000;
const LINE_OCTET_WORK = 20;

/** What is split in one turn, nanoseconds. Other pieces of work of the same mail may come in the same turn. */
const TURN_WORK = 2_000_000;

/** MimeNode of mailsplit. */
interface Part extends TextPart, Piece {
  readonly contentType: string | false;
  readonly disposition: string | false;
  readonly encoding: string | false;
  getDecoder(): NodeJS.ReadableStream & { destroy(): void };
}

interface Piece {
  readonly type: "node" | "data" | "body";
}

type Next = (error: unknown, piece?: Piece | false, flush?: boolean) => void;

/** MessageSplitter of mailsplit. */
interface Splitter {
  readonly node: Part;
  /** 1 in a header. */
  readonly state: number;
  /** The beginning of the line that is processed next; at the end of a message, all of it. */
  readonly lineChunks: readonly Buffer[];
  push(piece: Piece | null): boolean;
  processLine(line: Buffer | false, final: boolean, next: Next): void;
}

/** What a MailParser has inside. */
interface Inside {
  readonly splitter: Splitter;
  /** Collects what is written until it has so much. */
  readonly chunkedPassthrough: { chunkSize: number };
}

const HEAD = 1;

/** The body of a part is decoded in pieces of this size or up to twice it, where it is not decoded as a whole. */
const CHUNK_OCTETS = 16 * 1024;

/**
 * @param parser a MailParser that has read nothing
 * @param over called once, when a limit is passed; the parser reads no further then
 */
export function boundParser(parser: object, turns: Turns, over: () => void): void {
  const { splitter, chunkedPassthrough } = parser as Partial<Inside>;
  if (typeof splitter?.processLine !== "function" || chunkedPassthrough?.chunkSize === undefined) {
    throw new Error("this version of mailparser takes messages apart in another way");
  }
  chunkedPassthrough.chunkSize = CHUNK_OCTETS;
  const processLine = splitter.processLine.bind(splitter);
  const push = splitter.push.bind(splitter);
  let headerWork = 0;
  let bodyWork = 0;
  let isOver = false;
  let header = createHeaderWork();
  let node: Part | undefined;
  let turnWork = 0;

  const stop = (): void => {
    if (!isOver) over();
    isOver = true;
  };

  /** False when a limit is passed. */
  const count = (line: Buffer): boolean => {
    turnWork += LINE_WORK + line.length * LINE_OCTET_WORK;
    if (splitter.state === HEAD) {
      if (node !== splitter.node) header = createHeaderWork();
      node = splitter.node;
      headerWork += header.line(line);
    } else if (splitter.node.encoding === "quoted-printable") bodyWork += quotedPrintableWork(line);
    else if (splitter.node.encoding === "base64") bodyWork += base64Work(line);
    return headerWork <= WORK_MAX && bodyWork <= WORK_MAX;
  };

  const countText = (part: Part): void => {
    const { getDecoder } = part;
    part.getDecoder = () => {
      const decoder = getDecoder.call(part);
      decoder.on("data", (chunk: Buffer) => {
        bodyWork += textWork(chunk, part);
        if (bodyWork <= WORK_MAX) return;
        // Without its end the text is not put together.
        decoder.destroy();
        stop();
      });
      return decoder;
    };
  };

  splitter.push = (piece) => {
    if (piece?.type === "node") {
      const part = piece as Part;
      if (isOver || isUtf7(part.charset)) {
        stop();
        return false;
      }
      if (isText(part)) countText(part);
    }
    return push(piece);
  };

  const proceed = (line: Buffer | false, final: boolean, next: Next): void => {
    try {
      processLine(line, final, next);
    } catch {
      // No caller is on the stack: it would end the process.
      stop();
    }
  };

  splitter.processLine = (line, final, next) => {
    if (isOver) return;
    if (!count(Buffer.concat(line === false ? splitter.lineChunks : [...splitter.lineChunks, line])))
      return stop();
    if (turnWork < TURN_WORK) return proceed(line, final, next);
    turnWork = 0;
    turns.take().then(() => proceed(line, final, next));
  };
}

/** Parts whose decoded text mailparser keeps; all others go on as they come. */
const isText = ({ contentType, disposition }: Part): boolean =>
  (contentType === false || /^text\/(?:plain|html)$/.test(contentType)) &&
  (disposition === false || disposition === "" || disposition === "inline");
