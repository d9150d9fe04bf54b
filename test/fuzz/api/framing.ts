// From calls to octets: HTTP as clients speak it, and as it must not be.
import type { Chance } from "../../crash/chance.ts";
import { inPieces, mutated } from "../mutate.ts";
import type { Call } from "./calls.ts";

export type Field = readonly [name: string, value: string];

/** What is written, a piece a time. */
export interface Framed {
  readonly pieces: readonly Buffer[];
  /** Behind the first piece the client waits for the word to go on. */
  readonly expects?: boolean;
  /** Between two pieces other clients have their turn. */
  readonly isSlow?: boolean;
}

const headOf = (line: string, fields: readonly Field[]): Buffer =>
  Buffer.from(`${line}\r\n${fields.map(([name, value]) => `${name}: ${value}\r\n`).join("")}\r\n`, "latin1");

const lineOf = ({ method, path }: Call): string => `${method} ${path} HTTP/1.1`;

const lengthOf = ({ body }: Call): Field => ["Content-Length", String(body.length)];

/** @param more behind each size */
function chunked(body: Buffer, chance: Chance, more: string): Buffer {
  const parts: Buffer[] = [];
  const longest = chance.pick([3, 200, 20_000]);
  // Two hundred chunks are enough.
  const least = Math.ceil(body.length / 200);
  for (let at = 0; at < body.length; ) {
    const octets = body.subarray(at, at + Math.max(least, 1 + chance.below(longest)));
    parts.push(Buffer.from(`${octets.length.toString(16)}${more}\r\n`), octets, Buffer.from("\r\n"));
    at += octets.length;
  }
  return Buffer.concat([...parts, Buffer.from(`0\r\n${more === "" ? "" : "X-Trailer: a\r\n"}\r\n`)]);
}

/** A request that is one, in a form that HTTP allows: it has one answer. */
export function framed(call: Call, fields: readonly Field[], chance: Chance): Framed {
  const line = lineOf(call);
  const fate = chance.fraction();
  const mixed = chance.fraction() < 0.3 ? chance.shuffled(fields) : fields;
  if (fate < 0.06) {
    const head = headOf(line, [...mixed, ["Transfer-Encoding", "chunked"]]);
    const body = chunked(call.body, chance, chance.pick(["", ";a=b"]));
    return { pieces: [Buffer.concat([head, body])] };
  }
  const whole = [...mixed, lengthOf(call)];
  if (fate < 0.1) {
    return { pieces: [headOf(line, [...whole, ["Expect", "100-continue"]]), call.body], expects: true };
  }
  const octets = Buffer.concat([headOf(line, whole), call.body]);
  if (fate < 0.2) return { pieces: inPieces(octets, chance), isSlow: chance.fraction() < 0.1 };
  return { pieces: [octets] };
}

/** Several requests in one write. */
export const pipelined = (requests: readonly { call: Call; fields: readonly Field[] }[]): Framed => ({
  pieces: [
    Buffer.concat(
      requests.flatMap(({ call, fields }) => [headOf(lineOf(call), [...fields, lengthOf(call)]), call.body]),
    ),
  ],
});

type Breaking = (call: Call, fields: readonly Field[], chance: Chance) => Buffer;

const withFields =
  (...more: ((call: Call) => Field)[]): Breaking =>
  (call, fields) =>
    Buffer.concat([headOf(lineOf(call), [...fields, ...more.map((field) => field(call))]), call.body]);

const BREAKINGS: readonly Breaking[] = [
  (call, fields, chance) => {
    const said = chance.pick([
      ...[
        call.body.length - 1,
        call.body.length + 1,
        call.body.length + 1_000,
        Math.floor(call.body.length / 2),
      ],
      ...["-1", "+5", "0x10", "1e3", "", "5,5", "99999999999", "18446744073709551617", "4 2"],
    ]);
    return Buffer.concat([headOf(lineOf(call), [...fields, ["Content-Length", String(said)]]), call.body]);
  },
  withFields(lengthOf, (call) => ["Content-Length", String(call.body.length + 1)]),
  withFields(lengthOf, () => ["Transfer-Encoding", "chunked"]),
  withFields(() => ["Transfer-Encoding", "gzip, chunked"]),
  withFields(() => ["Transfer-Encoding", "chunked, identity"]),
  withFields(lengthOf, () => ["Expect", "200-ok"]),
  withFields(
    lengthOf,
    () => ["Upgrade", "h2c"],
    () => ["Connection", "Upgrade, HTTP2-Settings"],
  ),
  withFields(lengthOf, () => ["X-Long", "x".repeat(20_000)]),
  withFields(lengthOf, () => [" X-Space", "x"]),
  withFields(lengthOf, () => ["X\0Nul", "x\0"]),
  // Chunks that are none.
  (call, fields, chance) => {
    const body = chunked(call.body, chance, "").toString("latin1");
    const bad = chance.pick(["zz\r\n", "-1\r\n", "ffffffffffffffff1\r\n", "5\n", "", "0\r\n", "5;\r\r\n"]);
    const octets = Buffer.from(body.replace(/^[0-9a-f]+\r\n/, bad), "latin1");
    return Buffer.concat([headOf(lineOf(call), [...fields, ["Transfer-Encoding", "chunked"]]), octets]);
  },
  // Line ends.
  (call, fields, chance) => {
    const head = headOf(lineOf(call), [...fields, lengthOf(call)]).toString("latin1");
    return Buffer.concat([
      Buffer.from(head.replaceAll("\r\n", chance.pick(["\n", "\r", "\r\r\n"])), "latin1"),
      call.body,
    ]);
  },
  // The line of the request.
  (call, fields, chance) => {
    const { method, path } = call;
    const line = chance.pick([
      ...[
        `${method} ${path}`,
        `${method} ${path} HTTP/0.9`,
        `${method} ${path} HTTP/1.0`,
        `${method} ${path} HTTP/2.0`,
      ],
      ...[
        `${method}  ${path} HTTP/1.1`,
        `${method} http://other.example${path} HTTP/1.1`,
        `CONNECT other.example:25 HTTP/1.1`,
      ],
      ...[
        `TRACE ${path} HTTP/1.1`,
        `BREW ${path} HTTP/1.1`,
        `${method} ${path}?${"x".repeat(9_000)} HTTP/1.1`,
      ],
      ...[
        `${method} ${path}/../..//v2/%2e%2e/ HTTP/1.1`,
        `${method} * HTTP/1.1`,
        `${method} /v2/%zz\xff HTTP/1.1`,
        "\x16\x03\x01\x02",
      ],
      "EHLO fuzz.example",
      "PRI * HTTP/2.0",
    ]);
    return Buffer.concat([headOf(line, [...fields, lengthOf(call)]), call.body]);
  },
  // Any octet of it.
  (call, fields, chance) => mutated(withFields(lengthOf)(call, fields, chance), chance, 1 + chance.below(6)),
  (call, fields, chance) => {
    const head = headOf(lineOf(call), [...fields, lengthOf(call)]);
    return Buffer.concat([mutated(head, chance, 1 + chance.below(4)), call.body]);
  },
];

/** How many answers it has nobody knows: in the end the client closes. */
export const broken = (call: Call, fields: readonly Field[], chance: Chance): Framed => ({
  pieces: [chance.pick(BREAKINGS)(call, fields, chance)],
});
