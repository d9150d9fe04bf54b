// Messages that were real ones once: those of fixtures/messages, damaged.
import { readdirSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Chance } from "../crash/chance.ts";
import { mutated, randomOctets, skewed } from "./mutate.ts";

const FOLDER = resolve("fixtures/messages");
/** Without their own task, which would be the same for all. */
const MESSAGES: readonly Buffer[] = readdirSync(FOLDER)
  .sort()
  .map((name) => withoutTask(readFileSync(join(FOLDER, name))));

function withoutTask(message: Buffer): Buffer {
  const text = message.toString("latin1");
  return Buffer.from(
    text.replace(/^(?:X-Task-Id|(?:X-EE-|Resend-)?Idempotency-Key):.*\r?\n/gim, ""),
    "latin1",
  );
}

const DOTS = [
  ".",
  "..",
  "\r\n.",
  "\r\n..",
  "\n.\n",
  "\r.\r",
  "\n.\r\n",
  "\r\n.\n",
  "\r\n.\r",
  "\r\r\n.\r\r\n",
  ".\r\n.\r\n",
];
const GIANT_OCTETS = 100_000;

type Damage = (text: string, chance: Chance) => string;

const insert = (text: string, chance: Chance, more: string): string => {
  const at = chance.below(text.length + 1);
  return text.slice(0, at) + more + text.slice(at);
};
const lineEnds: Damage = (text, chance) => {
  const end = chance.pick(["\n", "\r", "\n\r", "\r\r\n"]);
  const share = chance.pick([0.05, 0.5, 1]);
  return text.replace(/\r\n/g, (crlf) => (chance.fraction() < share ? end : crlf));
};
const dots: Damage = (text, chance) => insert(text, chance, chance.pick(DOTS));
const doubledLine: Damage = (text, chance) => {
  const lines = text.split("\r\n");
  const line = chance.pick(lines);
  lines.splice(chance.below(lines.length + 1), 0, ...Array.from({ length: 1 + chance.below(5) }, () => line));
  return lines.join("\r\n");
};
const giantLine: Damage = (text, chance) =>
  insert(
    text,
    chance,
    chance.pick(["x", " ", "=", "\xe9", "a\r\n b"]).repeat(skewed(chance, 10, GIANT_OCTETS)),
  );
const cut: Damage = (text, chance) => text.slice(0, chance.below(text.length + 1));
const octets: Damage = (text, chance) =>
  mutated(Buffer.from(text, "latin1"), chance, 1 + chance.below(6)).toString("latin1");
const octetsOfBody: Damage = (text, chance) =>
  `${text}${randomOctets(chance, chance.below(200)).toString("latin1")}`;
const command: Damage = (text, chance) =>
  insert(
    text,
    chance,
    "\r\nMAIL FROM:<evil@example.org>\r\nRCPT TO:<victim@example.org>\r\nDATA\r\nsmuggled\r\n",
  );

const DAMAGES: readonly Damage[] = [
  lineEnds,
  dots,
  dots,
  doubledLine,
  giantLine,
  cut,
  octets,
  octets,
  octetsOfBody,
  command,
];

/**
 * A damaged message.
 *
 * @param task in most of them, as a field on top
 */
export function damagedMessage(chance: Chance, task: string): Buffer {
  let text = chance.pick(MESSAGES).toString("latin1");
  const times = chance.below(4);
  for (let time = 0; time < times; time++) text = chance.pick(DAMAGES)(text, chance);
  // A NUL is refused whatever else there is, so only some keep theirs.
  if (chance.fraction() < 0.9) text = text.replaceAll("\0", "0");
  const fate = chance.fraction();
  const field = fate < 0.9 ? `X-Task-Id: ${task}\r\n` : fate < 0.95 ? `x-task-id :\r\n\t${task}\r\n` : "";
  return Buffer.from(field + text, "latin1");
}

/** RFC 5321 §4.5.2, with the final dot: what a mailer makes of a message. */
export function stuffed(message: Buffer): Buffer {
  const text = message.toString("latin1").replace(/(^|\r\n)\./g, "$1..");
  return Buffer.from(`${text}${text === "" || text.endsWith("\r\n") ? "" : "\r\n"}.\r\n`, "latin1");
}
