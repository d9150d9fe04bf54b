// Takes a message apart into its parts (RFC 2046), line by line, as it arrives. What that may cost is bounded by what
// the message is, never by the time it takes: beyond a limit it stops and says so, on any machine at the same octet.
// It holds one line and the header of one part, and knows nothing of what the parts are for.
import { createHeaderScanner, fieldValue, type HeaderField, parseHeader } from "./header.ts";
import { type Parameterised, parseParameters } from "./parameters.ts";
import { createLineDecoder, type LineDecoder } from "./transfer-encoding.ts";

export interface MimeLimits {
  /** Of the message. */
  readonly octets: number;
  /** Of the header of the message, and of that of each part. */
  readonly headerOctets: number;
  readonly lineOctets: number;
  readonly parts: number;
  /** Multiparts within multiparts. */
  readonly nesting: number;
}

/** What is made of one part that is no multipart. */
export interface PartSink {
  /** Decoded from its transfer encoding. False: this is more than the sink takes, and the message is beyond a limit. */
  content(octets: Uint8Array): boolean;
  end(): void;
}

export interface MimeSink {
  /** The header of the message; comes first. */
  header(fields: readonly HeaderField[]): void;
  /** A part that is no multipart, which may be the whole message. The parts come one after the other. */
  part(type: Parameterised, disposition: Parameterised): PartSink;
}

export interface MimeReader {
  /** The next octets, CRLF line ends. False when the message is beyond a limit; ask no further then. */
  push(chunk: Uint8Array): boolean;
  /** The end of the message. False as before. */
  end(): boolean;
}

const LF = 0x0a;
const HYPHEN = 0x2d;
const CRLF = Buffer.from("\r\n");
const DASHED = Buffer.from("\n--");

const isDashed = (octets: Buffer, at: number): boolean => octets[at] === HYPHEN && octets[at + 1] === HYPHEN;

/** An octet in a piece of its own needs a hundred times its memory; so many pieces are joined to one. */
const PIECES_MAX = 64;

/** A line that ends a part of the multipart at that depth, and perhaps the multipart. */
interface Delimiter {
  readonly level: number;
  readonly closes: boolean;
}

/** Thrown and caught in this file. */
class BeyondLimit extends Error {}

export function createMimeReader(limits: MimeLimits, sink: MimeSink): MimeReader {
  let octets = 0;
  let parts = 0;
  /** The pieces of a line whose end has not come, and their length. */
  let open: Uint8Array[] = [];
  let openOctets = 0;
  /** "--" and the boundary of each multipart that is open, the innermost last. */
  const delimiters: Buffer[] = [];
  let header: ReturnType<typeof createHeaderScanner> | undefined = createHeaderScanner(limits.headerOctets);
  let isMessage = true;
  let leaf: { readonly decoder: LineDecoder; readonly sink: PartSink } | undefined;

  function beginPart(fields: readonly HeaderField[]): void {
    header = undefined;
    if (isMessage) sink.header(fields);
    isMessage = false;
    const type = parseParameters(fieldValue(fields, "content-type") ?? "text/plain");
    const boundary = type.value.startsWith("multipart/") ? type.parameters.get("boundary") : undefined;
    if (boundary !== undefined && boundary !== "") {
      if (delimiters.length >= limits.nesting) throw new BeyondLimit();
      delimiters.push(Buffer.from(`--${boundary}`, "latin1"));
      return;
    }
    if (++parts > limits.parts) throw new BeyondLimit();
    const encoding = fieldValue(fields, "content-transfer-encoding") ?? "";
    const disposition = parseParameters(fieldValue(fields, "content-disposition") ?? "");
    leaf = { decoder: createLineDecoder(encoding.trim().toLowerCase()), sink: sink.part(type, disposition) };
  }

  function hand(content: Uint8Array): void {
    if (leaf?.sink.content(content) === false) throw new BeyondLimit();
  }

  function endPart(): void {
    if (header !== undefined) endHeader();
    if (leaf === undefined) return;
    hand(leaf.decoder.end());
    leaf.sink.end();
    leaf = undefined;
  }

  function endHeader(): void {
    const scan = header?.end();
    if (scan?.kind !== "header") throw new BeyondLimit();
    beginPart(parseHeader(Buffer.from(scan.header)));
  }

  /** Which open multipart the line delimits, if one. */
  function delimited(line: Buffer): Delimiter | undefined {
    for (let level = delimiters.length - 1; level >= 0; level--) {
      const delimiter = delimiters[level] as Buffer;
      if (line.length < delimiter.length || line[2] !== delimiter[2]) continue;
      if (line.compare(delimiter, 0, delimiter.length, 0, delimiter.length) !== 0) continue;
      const rest = line.toString("latin1", delimiter.length, delimiter.length + 80).trimEnd();
      if (rest === "" || rest === "--") return { level, closes: rest === "--" };
    }
    return undefined;
  }

  function begin({ level, closes }: Delimiter): void {
    endPart();
    // The part that ended here may have been a multipart of which nothing but the header came.
    delimiters.length = Math.min(delimiters.length, level + (closes ? 0 : 1));
    if (closes) return;
    if (++parts > limits.parts) throw new BeyondLimit();
    header = createHeaderScanner(limits.headerOctets);
  }

  /** @param lines whole ones, among which is no delimiter of a multipart that is open */
  function put(lines: Buffer): void {
    if (lines.length === 0) return;
    if (header === undefined) {
      if (leaf !== undefined) hand(leaf.decoder.lines(lines));
      return;
    }
    const scan = header.push(lines);
    if (scan === undefined) return;
    if (scan.kind === "too-long") throw new BeyondLimit();
    const rest = Buffer.from(scan.rest);
    beginPart(parseHeader(Buffer.from(scan.header)));
    // It may have opened a multipart, whose delimiters are in the rest.
    take(rest);
  }

  /** @param lines whole ones */
  function take(lines: Buffer): void {
    let start = 0;
    let from = 0;
    while (from < lines.length) {
      const found = isDashed(lines, from) ? from : lines.indexOf(DASHED, from);
      if (found < 0 || delimiters.length === 0) break;
      const at = found === from && isDashed(lines, from) ? found : found + 1;
      const next = lines.indexOf(LF, at) + 1;
      const delimiter = delimited(lines.subarray(at, next));
      if (delimiter !== undefined) {
        put(lines.subarray(start, at));
        begin(delimiter);
        start = next;
      }
      from = next;
    }
    put(lines.subarray(start));
  }

  /** Keeps the line that has not ended. */
  function split(chunk: Buffer): void {
    const end = chunk.lastIndexOf(LF) + 1;
    if (end > 0) {
      take(open.length === 0 ? chunk.subarray(0, end) : Buffer.concat([...open, chunk.subarray(0, end)]));
      open = [];
      openOctets = 0;
    }
    if (end === chunk.length) return;
    openOctets += chunk.length - end;
    if (openOctets > limits.lineOctets) throw new BeyondLimit();
    // A copy: the rest of the chunk is not to be held for it. Many small pieces are joined, each octet a few times.
    open.push(Buffer.from(chunk.subarray(end)));
    if (open.length >= PIECES_MAX) open = [Buffer.concat(open)];
  }

  const within = (work: () => void): boolean => {
    try {
      work();
      return true;
    } catch (error) {
      if (error instanceof BeyondLimit) return false;
      throw error;
    }
  };

  return {
    push: (chunk) =>
      within(() => {
        octets += chunk.length;
        if (octets > limits.octets) throw new BeyondLimit();
        split(Buffer.from(chunk.buffer, chunk.byteOffset, chunk.byteLength));
      }),
    end: () =>
      within(() => {
        const line = Buffer.concat(open);
        open = [];
        if (line.length > 0) take(Buffer.concat([line, CRLF]));
        endPart();
      }),
  };
}
