// What commands print for people, and what becomes of it when its reader is slow or goes.
import { EventEmitter } from "node:events";
import { expect, test } from "vitest";
import { faultOf, isForPrograms, print, tableOf, watchFaults } from "../../src/cli/print.ts";
import { durationOf } from "../../src/runtime/amounts.ts";

test.each([
  [-5, "0 s"],
  [999, "0 s"],
  [1_000, "1 s"],
  [64_999, "1 min 4 s"],
  [60_000, "1 min"],
  [3_600_000 + 59_000, "1 h"],
  [26 * 3_600_000, "1 d 2 h"],
])("%i ms are %s", (ms, text) => {
  expect(durationOf(ms)).toBe(text);
});

interface Row {
  readonly age: string;
  readonly tries?: number;
  readonly reply: string;
}

const columns = [
  { title: "age", of: ({ age }: Row) => age, max: 5 },
  { title: "tries", of: ({ tries }: Row) => tries, align: "right" },
  { title: "last reply", of: ({ reply }: Row) => reply },
] as const;

test("a table has its titles, and no line longer than the terminal", () => {
  const rows = [
    { age: "1 h", tries: 12, reply: "450 greylisted, and so on and on" },
    { age: "1 min 4 s", reply: "ok" },
  ];
  expect(tableOf(columns, rows, 34)).toBe(
    ["age    tries  last reply", "1 h       12  450 greylisted, and…", "1 mi…         ok", ""].join("\n"),
  );
  expect(tableOf(columns, [], 34)).toBe("");
});

test("texts of others change nothing on the terminal", () => {
  const table = tableOf(columns, [{ age: "1 s", reply: "a\r\nb\x1b[31mc\u202ed" }], 80);
  expect(table).toBe("age  tries  last reply\n1 s         a b [31mc d\n");
});

test("a program reads where there is no terminal, or where it asked for JSON", () => {
  expect(isForPrograms({}, { isTTY: true })).toBe(false);
  expect(isForPrograms({ json: true }, { isTTY: true })).toBe(true);
  expect(isForPrograms({}, {})).toBe(true);
});

/** A reader who is behind. */
const slowPaper = () => Object.assign(new EventEmitter(), { write: () => false });

test("what is printed waits for a reader who is behind", async () => {
  const paper = slowPaper();
  let isDone = false;
  const printed = print("x", paper).then((more) => {
    isDone = true;
    return more;
  });
  await Promise.resolve();
  expect(isDone).toBe(false);
  paper.emit("drain");
  expect(await printed).toBe(true);
  expect(paper.eventNames()).toEqual([]);
});

test("a reader who has gone gets no more, also when the stream has forgotten it", async () => {
  const paper = slowPaper();
  watchFaults(paper);
  const printed = print("x", paper);
  paper.emit("error", new Error("write EPIPE"));
  paper.emit("error", new Error("another"));
  expect(await printed).toBe(false);
  expect(await print("y", paper)).toBe(false);
  expect(faultOf(paper)?.message).toBe("write EPIPE");
});
