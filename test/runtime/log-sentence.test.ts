// The log for people: each event is one sentence that names only documented fields, loses none, and stays one line.
import { describe, expect, test } from "vitest";
import { openLog } from "../../src/runtime/log.ts";
import { fieldsOf, sentenceOf } from "../../src/runtime/log-sentence.ts";
import { sentences } from "../../src/runtime/log-sentences.ts";
import { codeOf, read, rowsOf } from "../docs/tables.ts";

interface Documented {
  readonly all: string[];
  /** Without brackets. */
  readonly always: string[];
}

const documented = new Map<string, Documented>(
  rowsOf(read("docs/replies.md")).flatMap(({ cells: [name, , fields = ""] }) => {
    const event = codeOf(name);
    if (event === undefined || !/^[a-z]+\.[a-z_]+$/.test(event)) return [];
    const names = fields.split(", ").filter((field) => field !== "");
    const all = names.map((field) => field.replace(/^\[(.*)\]$/, "$1"));
    return [[event, { all, always: names.filter((field) => !field.startsWith("[")) }]];
  }),
);

test("every documented event has a sentence, and no other", () => {
  expect([...sentences.keys()].sort()).toEqual([...documented.keys()].sort());
});

describe.each([...sentences])("%s", (event, template) => {
  const { all, always } = documented.get(event) ?? { all: [], always: [] };

  test("names only documented fields, and needs none that may be missing", () => {
    const { all: named, needed } = fieldsOf(template);
    expect([...named].filter((field) => !all.includes(field))).toEqual([]);
    expect([...needed].filter((field) => !always.includes(field))).toEqual([]);
  });

  test.each(["all fields", "no optional field"])("leaves no hole and loses nothing with %s", (which) => {
    const names = which === "all fields" ? all : always;
    const facts = Object.fromEntries(names.map((field) => [field, `«${field}»`]));
    const said = sentenceOf(event, facts);
    for (const field of names) expect(said).toContain(`«${field}»`);
    expect(said.replace(/«\w+»/g, "x")).toMatch(
      /^[A-Z].*[^ ]$|^x.*[^ ]$|^full_page_writes .*$|^mailonce .*$/,
    );
    expect(said).not.toMatch(/undefined|[[\]{}]| {2}| [,.;:)]|\( |,[.:;]|,,/);
  });
});

const said = async (event: string, facts: Record<string, unknown>): Promise<string> => {
  let line = "";
  const write = (text: string): void => {
    line += text;
  };
  const log = await openLog({ level: "debug", format: "pretty" }, { write });
  log.info(event, facts);
  return line;
};

describe("a line", () => {
  test("has time, level and the sentence, and then what that does not say", async () => {
    const facts = { messageId: "<a@example.org>", task: "7f3", submission: "s1", attempts: 1, ms: 12 };
    const upstream = { upstream: "maildir /srv/outbox", upstreamId: "1 2.host" };
    expect(await said("transmission.relayed", { ...facts, ...upstream })).toMatch(
      /^\d\d:\d\d:\d\d INFO: Relayed <a@example\.org> of task 7f3 to maildir \/srv\/outbox \(attempt 1, 12 ms\)\. submission=s1 upstreamId="1 2\.host"\n$/,
    );
  });

  test("says of another gateway's settlement no more than is known: its operator may have decided so", () => {
    expect(sentenceOf("evidence.settled", { id: "a", source: "another gateway" })).toBe(
      "a is relayed, and not in doubt any more, by what another gateway says.",
    );
  });

  test("says numbers of things and durations as one does", () => {
    expect(sentenceOf("users.reloaded", { users: 1 })).toBe("Read the users file again: 1 user.");
    expect(sentenceOf("users.reloaded", { users: 1200 })).toBe("Read the users file again: 1,200 users.");
    const blocked = (blockMs: number) =>
      sentenceOf("auth.blocked", { address: "192.0.2.1", failures: 10, blockMs });
    expect([12, 5_123, 90_000, 150_000, 3_600_000, 86_400_000, 172_800_000].map(blocked)).toEqual(
      ["12 ms", "5.1 s", "90 s", "2.5 minutes", "60 minutes", "24 hours", "2 days"].map(
        (time) => `Blocked 192.0.2.1 for ${time} after 10 failed authentications.`,
      ),
    );
  });

  test("says a part that depends on a condition", () => {
    const facts = { version: 2, lease: "30s", retention: "30d", configured: true };
    const start = "The ledger's settings were changed to version 2: lease 30s, retention 30d";
    expect(sentenceOf("ledger.settings_changed", { ...facts, inForce: true })).toBe(
      `${start}. configured=true inForce=true`,
    );
    expect(sentenceOf("ledger.settings_changed", { ...facts, inForce: false })).toBe(
      `${start}, not in force until every gateway has confirmed them. configured=true`,
    );
  });

  test("of an event without a sentence, or without a field that it needs, is the name and the fields", async () => {
    expect(await said("some.event", { a: 1, b: "two words", c: null })).toMatch(
      /INFO: some\.event a=1 b="two words" c=null\n$/,
    );
    expect(sentenceOf("users.reload_failed", { other: 1 })).toBe("users.reload_failed other=1");
    expect(sentenceOf("constructor", {})).toBe("constructor");
  });
});

/** Line ends of every kind, colours in 7 and 8 bits, backspaces, writing turned round, half a character. */
const HOSTILE = [
  "a\r\n08:00:00 INFO: Stopped.",
  "\u2028x\u2029",
  "\u0085\u000b\u000c",
  "\u001b[31mred\u001b[0m",
  "\u009b31mred",
  "\u001b]0;title\u0007",
  "\b\b\b\u007f",
  "\u202egnihton\u2066",
  "\ud800",
  "[if {task}] {upstream} $& %s",
];

test.each(HOSTILE)("what comes from outside stays in its line, without a control: %j", async (text) => {
  for (const [event, { all }] of documented) {
    const line = await said(event, {
      ...Object.fromEntries(all.map((field) => [field, text])),
      [text]: text,
      more: [text],
    });
    expect(line.endsWith("\n")).toBe(true);
    expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
  }
  expect(sentenceOf(text, {})).not.toMatch(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/u);
});
