// What the submission side does to the octets of a message, in one call: line ends, header apart, rewrite.
import { createHeaderScanner, type HeaderScan, parseHeader } from "../../src/message/header.ts";
import { createNewlineNormaliser } from "../../src/message/newlines.ts";
import { type PreparedHeader, prepare, type RewriteOptions, render } from "../../src/message/rewrite.ts";

export const OPTIONS: RewriteOptions = {
  received: "from client by gateway",
  taskFields: new Set([
    "x-task-id",
    "idempotency-key",
    "resend-idempotency-key",
    "x-ee-idempotency-key",
    "x-task-part",
  ]),
  acceptedAt: Date.UTC(2026, 0, 2, 3, 4, 5),
  keepMessageId: false,
};

export const DERIVED = "<aaaabbbbccccddddeeeeffffgggghhhh@example.org>";

export interface Piped {
  readonly prepared: PreparedHeader;
  readonly body: Buffer;
  /** What the upstream gets. */
  readonly output: Buffer;
}

export function pipe(chunks: Iterable<Uint8Array>, options: Partial<RewriteOptions> = {}): Piped {
  const normaliser = createNewlineNormaliser();
  const scanner = createHeaderScanner(1 << 20);
  let scan: HeaderScan | undefined;
  const body: Uint8Array[] = [];
  const take = (octets: Uint8Array): void => {
    if (scan !== undefined) body.push(octets);
    else scan = scanner.push(octets);
  };
  // A source may use its chunk again once it has been taken.
  for (const chunk of chunks) take(normaliser.push(Uint8Array.from(chunk)));
  take(normaliser.end());
  scan ??= scanner.end();
  if (scan.kind !== "header") throw new Error(scan.kind);
  const prepared = prepare(parseHeader(scan.header), { ...OPTIONS, ...options });
  const content = Buffer.concat([scan.rest, ...body]);
  return {
    prepared,
    body: content,
    output: Buffer.concat([render(prepared, { messageId: DERIVED }), content]),
  };
}

/** `octets` cut at the given offsets. */
export function cut(octets: Uint8Array, offsets: readonly number[]): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let from = 0;
  for (const to of [...offsets].sort((a, b) => a - b)) {
    if (to > octets.length) break;
    chunks.push(octets.subarray(from, to));
    from = to;
  }
  chunks.push(octets.subarray(from));
  return chunks;
}
