// docs/replies.md and the code say the same: every reply, every log event with its levels, every exit code.
import { readdirSync } from "node:fs";
import { expect, test } from "vitest";
import { exitCodes } from "../../src/cli/exit.ts";
import { type Reply, replies } from "../../src/submission/reply.ts";
import { codeOf, read, rowsOf } from "./tables.ts";

const rows = rowsOf(read("docs/replies.md"));
const sources = readdirSync(new URL("../../src", import.meta.url), { recursive: true, encoding: "utf8" })
  .filter((name) => name.endsWith(".ts"))
  .map((name) => read(`src/${name}`));

/** What the doc writes where a reply has a number. */
const COUNT = "COUNT" as unknown as number;

/** Every reply with the doc's words for what varies. The compiler keeps the list complete. */
const REPLIES: Record<keyof typeof replies, Reply> = {
  queued: replies.queued("SUBMISSION"),
  repeat: replies.repeat("MESSAGE-ID"),
  repeats: replies.repeats(COUNT),
  partlyQueued: replies.partlyQueued("SUBMISSION", COUNT, COUNT),
  unavailable: replies.unavailable,
  full: replies.full,
  busy: replies.busy,
  awaited: replies.awaited,
  shuttingDown: replies.shuttingDown,
  draining: replies.draining,
  tooLarge: replies.tooLarge(COUNT),
  headerTooLarge: replies.headerTooLarge(COUNT),
  tooManyFields: replies.tooManyFields(COUNT),
  lineTooLong: replies.lineTooLong(COUNT),
  hasNul: replies.hasNul,
  bareNewline: replies.bareNewline,
  tooManyConnections: replies.tooManyConnections,
  timeout: replies.timeout,
  notWelcome: replies.notWelcome,
  blocked: replies.blocked,
  tooManyErrors: replies.tooManyErrors,
  tooManyCommands: replies.tooManyCommands,
  authenticateFirst: replies.authenticateFirst,
  startTlsFirst: replies.startTlsFirst,
  encryptFirst: replies.encryptFirst,
  bareNewlineInCommand: replies.bareNewlineInCommand,
  unsynchronised: replies.unsynchronised,
  wrongCredentials: replies.wrongCredentials,
  authenticateLater: replies.authenticateLater,
  notAllowed: replies.notAllowed("FAULT"),
  tooMuchForNow: replies.tooMuchForNow("FAULT"),
  tooManyRecipients: replies.tooManyRecipients,
  tooManyHops: replies.tooManyHops(COUNT),
  cameBack: replies.cameBack,
  badTask: replies.badTask("FAULT"),
  noTask: replies.noTask("FIELD"),
  conflict: replies.conflict("FIELD"),
  badRecipient: replies.badRecipient("FAULT"),
  badSender: replies.badSender("FAULT"),
  needsSmtpUtf8: replies.needsSmtpUtf8,
  refusedForNow: replies.refusedForNow,
  doubtful: replies.doubtful,
  refusedForGood: replies.refusedForGood(["RECIPIENT"], "REPLY"),
  relayed: replies.relayed(COUNT),
};

test("every reply of the gateway, and no other", () => {
  const documented = rows.filter(({ heading }) => heading === "Replies of the gateway");
  expect(Object.keys(REPLIES).sort()).toEqual(Object.keys(replies).sort());
  expect(documented.map(({ cells }) => codeOf(cells[0])).sort()).toEqual(
    Object.values(REPLIES)
      .map(({ code, status, text }) => `${code} ${status} ${text}`)
      .sort(),
  );
});

test("every log event with its levels, and no other", () => {
  const called = new Map<string, Set<string>>();
  for (const source of sources) {
    for (const [, level = "", event = ""] of source.matchAll(
      /\blog\.(debug|info|warn|error)\(\s*"([^"]+)"/g,
    )) {
      called.set(event, (called.get(event) ?? new Set()).add(level));
    }
  }
  const documented = rows.flatMap(({ cells: [event, levels = ""] }) =>
    /^`[a-z]+\.[a-z_]+`$/.test(event ?? "") ? [[codeOf(event), levels.split(", ").sort()]] : [],
  );
  expect(documented.sort()).toEqual([...called].map(([event, levels]) => [event, [...levels].sort()]).sort());
});

test("every exit code, and no other", () => {
  const documented = rows.filter(({ heading }) => heading === "Exit codes");
  expect(documented.map(({ cells }) => Number(codeOf(cells[0])))).toEqual(Object.values(exitCodes));
});
