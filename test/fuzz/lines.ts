// SMTP command lines near the grammar, and away from it.
import type { Chance } from "../crash/chance.ts";
import { inPieces, mutated, randomOctets, skewed } from "./mutate.ts";

/** What is written together, and how. */
export interface LineGroup {
  readonly pieces: readonly Buffer[];
  /** Command lines in it: as many replies are due. */
  readonly lines: number;
}

const NAMES = [
  "client.example",
  "[127.0.0.1]",
  "[IPv6:::1]",
  "b\u{fc}ro.example",
  "x".repeat(300),
  "a b",
  "%00",
  "\x1b[31m",
];
const ADDRESSES = [
  ...[
    "fuzz@example.com",
    "Fuzz@EXAMPLE.com",
    '"a b"@example.com',
    '"a\\"@"@example.com',
    "a@[127.0.0.1]",
    "a@[IPv6:::1]",
  ],
  ...[
    "@relay.example:a@example.com",
    "postmaster",
    "",
    "a",
    "@",
    "a@",
    "@b",
    "a@b@c",
    "a b@example.com",
    "a@-b.example",
  ],
  ...[
    "\u{fc}ser@example.com",
    "user@b\u{fc}ro.example",
    "user@xn--bro-hoa.example",
    "a@b..c",
    ".a.@example.com",
  ],
  ...["a\r@example.com", "a\0@example.com", "a>\r\nRCPT TO:<b@example.com", `${"l".repeat(70)}@example.com`],
  ...[
    `a@${"d".repeat(64)}.example`,
    `${"l".repeat(300)}@${"d".repeat(300)}`,
    "user%40host@example.com",
    "a!b@example.com",
  ],
];
const XTEXT = [
  "abc",
  "+0D+0A",
  "+00",
  "a+0D+0AMAIL",
  "+",
  "+Z",
  "+2",
  "+C3+BC",
  "x".repeat(150),
  "x".repeat(1_500),
  "\u{fc}",
  "",
];
const SIZES = ["0", "10", "99999999999", "-1", "1e3", "9".repeat(30), "", "abc"];
const BASE64 = ["AGEAYg==", "dXNlcg==", "=", "*", "!!!!", "AAAA", "A".repeat(8_000)];
const MECHANISMS = ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2", "EXTERNAL", "constructor", "__proto__", ""];
const ADDRESS_TYPES = ["rfc822", "utf-8", "x y", ""];

const mailParameter = (chance: Chance): string =>
  chance.pick([
    () => `SIZE=${chance.pick(SIZES)}`,
    () => `BODY=${chance.pick(["7BIT", "8BITMIME", "BINARYMIME", ""])}`,
    () => "SMTPUTF8",
    () => `ENVID=${chance.pick(XTEXT)}`,
    () => `RET=${chance.pick(["FULL", "HDRS", "ALL", ""])}`,
    () => `AUTH=${chance.pick(["<>", ...XTEXT])}`,
    () =>
      chance.pick([
        "REQUIRETLS",
        "MT-PRIORITY=3",
        "HOLDFOR=60",
        "BY=1;R",
        "constructor=1",
        "__proto__=1",
        "=",
        "===",
      ]),
  ])();
const rcptParameter = (chance: Chance): string =>
  chance.pick([
    () =>
      `NOTIFY=${chance.pick(["NEVER", "SUCCESS,FAILURE,DELAY", "NEVER,DELAY", "", "x", "SUCCESS,SUCCESS"])}`,
    () => `ORCPT=${chance.pick(ADDRESS_TYPES)};${chance.pick(XTEXT)}`,
    () => chance.pick(["RRVS=2014-04-03T23:01:00Z", "constructor=1", "="]),
  ])();
const some = (chance: Chance, most: number, one: (chance: Chance) => string): string =>
  Array.from({ length: chance.below(most + 1) }, () => ` ${one(chance)}`).join("");

const hello = (chance: Chance) => `${chance.pick(["EHLO", "HELO", "LHLO", "ehlo"])} ${chance.pick(NAMES)}`;
const mail = (chance: Chance) => `MAIL FROM:<${chance.pick(ADDRESSES)}>${some(chance, 3, mailParameter)}`;
const recipient = (chance: Chance) => `RCPT TO:<${chance.pick(ADDRESSES)}>${some(chance, 2, rcptParameter)}`;
const attributes = (chance: Chance) =>
  some(
    chance,
    3,
    () =>
      `${chance.pick(["NAME", "ADDR", "PORT", "PROTO", "HELO", "LOGIN", "X"])}=${chance.pick([...XTEXT, "127.0.0.1", "::1", "[UNAVAILABLE]"])}`,
  );

/** A line, and how often it is drawn. */
const LINES: readonly (readonly [weight: number, line: (chance: Chance) => string])[] = [
  [6, hello],
  [14, mail],
  [14, recipient],
  [3, () => "DATA"],
  [5, () => "RSET"],
  [4, () => "NOOP"],
  [1, () => "QUIT"],
  [2, (chance) => `${chance.pick(["VRFY", "EXPN", "HELP", "NOOP"])} ${chance.pick(ADDRESSES)}`],
  [1, () => "STARTTLS"],
  [2, (chance) => `AUTH ${chance.pick(MECHANISMS)}${some(chance, 1, () => chance.pick(BASE64))}`],
  [1, (chance) => chance.pick(BASE64)],
  [1, (chance) => `${chance.pick(["XCLIENT", "XFORWARD"])}${attributes(chance)}`],
  [
    1,
    (chance) =>
      chance.pick([
        "PROXY TCP4 192.0.2.1 192.0.2.2 1 2",
        "PROXY UNKNOWN",
        "\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c",
      ]),
  ],
  [
    1,
    (chance) =>
      chance.pick(["BDAT 10 LAST", "BDAT -1", "TURN", "ETRN x", "WIZ", "SHELL", "KILL", "BURL", "."]),
  ],
  [
    1,
    (chance) => chance.pick(["GET / HTTP/1.1", "POST / HTTP/1.1", "", " ", "\t", "constructor", "__proto__"]),
  ],
];
const DRAWN = LINES.flatMap(([weight, line]) => Array.from({ length: weight }, () => line));

/** As long as a command may be for the library, and more. */
const HUGE_OCTETS = 20_000;

function commandLine(chance: Chance): Buffer {
  const line = Buffer.from(chance.pick(DRAWN)(chance));
  const fate = chance.fraction();
  if (fate < 0.55) return line;
  if (fate < 0.57)
    return Buffer.concat([
      line,
      Buffer.alloc(skewed(chance, 10, HUGE_OCTETS), chance.pick([" ", "x", "=", "<"])),
    ]);
  if (fate < 0.6) return randomOctets(chance, chance.below(40));
  // The name stays, most of the time: ten that are unknown end the connection.
  const name = chance.fraction() < 0.8 ? Math.max(line.indexOf(" "), 0) : 0;
  return Buffer.concat([line.subarray(0, name), mutated(line.subarray(name), chance, 1 + chance.below(4))]);
}

/** What a mailer would say now. */
export type Stage = "hello" | "mail" | "recipient" | "data";

const PROPER: Readonly<Record<Stage, string>> = {
  hello: "EHLO fuzz.example",
  mail: "MAIL FROM:<fuzz@example.com>",
  recipient: "RCPT TO:<someone@example.net>",
  data: "DATA",
};

function lineEnd(chance: Chance): string {
  const fate = chance.fraction();
  if (fate < 0.93) return "\r\n";
  return fate < 0.97 ? "\n" : chance.pick(["\r\r\n", "\n\r\n", "\r\n\n"]);
}

export function lineGroup(chance: Chance, stage: Stage): LineGroup {
  const fate = chance.fraction();
  const count = fate < 0.75 ? 1 : 2 + chance.below(8);
  const parts = Array.from({ length: count }, (_, index) => {
    // Enough mails come through for the rest to be tried in every state.
    const isProper = index === 0 && chance.fraction() < 0.35;
    const line = isProper ? Buffer.from(PROPER[stage]) : commandLine(chance);
    return Buffer.concat([line, Buffer.from(lineEnd(chance))]);
  });
  const octets = Buffer.concat(parts);
  let lines = 0;
  for (const octet of octets) if (octet === 0x0a) lines++;
  return { pieces: chance.fraction() < 0.85 ? [octets] : inPieces(octets, chance), lines };
}
