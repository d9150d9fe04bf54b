// A value that names nothing is refused; one that may name something is not.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: such texts are what is looked for.
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeholderFault, taskFault, weakness } from "../../src/identity/placeholder.ts";
import { measureCpu } from "../support/cpu.ts";

describe("a placeholder", () => {
  const nothing = ["None", "null", "nil", "undefined", "NaN", "(null)", "<nil>", "[object Object]"];
  const unfilled = [
    "{{id}}",
    "{{ task.id }}",
    "%s",
    "%d",
    "%(id)s",
    "%1$s",
    "${id}",
    "${...}",
    "#{id}",
    "%{id}",
  ];
  const more = [
    "<%= id %>",
    "{id}",
    "{0}",
    "{}",
    "$TASK_ID",
    "$(uuidgen)",
    "%TASK_ID%",
    "__TASK__",
    "<task-id>",
  ];
  const inside = [
    "order-{{ id }}",
    "mail:%s",
    "a/${job.id}/b",
    "campaign-[object Promise]",
    "x %!s(MISSING)",
  ];
  const uuids = ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"];
  const objects = [
    ...["<function id at 0x7f00>", "<built-in function id>", "function () { return 1 }"],
    ...["[OBJECT OBJECT]", "[Function: id]", "[Function (anonymous)]", "[class Task]", "Symbol(id)"],
    ...["Promise { <pending> }", "<__main__.Task object at 0x7f0a>", "<coroutine object f at 0x7f>"],
    ...["#<Object:0x00007f8b1c>", "#<Job id: nil>", "HASH(0x55d0c8)", "App::Task=HASH(0x55d0c8)"],
    ...["java.lang.Object@1b6d3586", "System.Object", "System.Threading.Tasks.Task`1[System.String]"],
  ];
  const otherNothing = [
    ...["undef", "Nothing", "-nan", "-Infinity", "inf", "Array", "Object", "NilClass", "Optional.empty"],
    ...["(none)", "[null]", "['None']", "b'None'", "NULL;", "None.None", "null-null", "None None", "#N/A"],
    ...["<no value>", "$null", "None()", "NULL::uuid"],
    ...["-", "--", '""', "''", "()", "[]", "?", "..."],
  ];
  const otherTemplates = [
    ...["{ id }", "{id!r}", "{0:d}", "{:?}", "{task[id]}", "{$id}", "{!id}", "&{id}", "[% id %]", "[[id]]"],
    ...["<<id>>", "[TASK_ID]", "#id#", "##id##", "%%id%%", "@@ID@@", "*|ID|*", "%recipient.id%"],
    ...["$$id", "$env:TASK_ID", ":id", "@id", "%ld", "%lu", "%x", "%08x", "%.2f", "%5.2f", "%@", "%c"],
    ...["xxxxxxxx-xxxx-xxxx-xxxx-xxxxxxxxxxxx", "xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx"],
    ...["TASK_ID", "your-task-id", "uuid", "job-id"],
  ];
  const all = [
    ...[...nothing, ...unfilled, ...more, ...inside, ...uuids, ...objects],
    ...[...otherNothing, ...otherTemplates],
  ];

  test.each(all)("%s", (text) => {
    expect(placeholderFault(text)).toMatch(/ names nothing$/);
  });

  test("a truth value as a task, and not as a part", () => {
    for (const text of ["true", "false", "True", "FALSE"]) {
      expect(taskFault(text), text).toMatch(/ names nothing$/);
      expect(placeholderFault(text), text).toBeUndefined();
    }
  });

  test("in any case, and in quotes", () => {
    for (const text of ["NONE", "Undefined", "nan", "NULL", '"None"', "'null'"]) {
      expect(placeholderFault(text), text).toBeDefined();
    }
  });
});

describe("a name", () => {
  test.each([
    ...[
      "a",
      "0",
      "none-of-them",
      "nullable",
      "nil-2",
      "100%",
      "50% sale",
      "a%20b",
      "%d0%b0",
      "a}b",
      '{"a":{"b":1}}',
    ],
    ...[
      "mail:default:42:1700000000000",
      "camp#7",
      "user@host",
      "<20131210.1@host>",
      "$5",
      "[batch 7]",
      "id=7",
    ],
    // Encoded octets, where printf would see a width.
    ...["abc%3d%3d", "a%2f-b", "a%20d-b", "x%5d", "x%5d:1", "%0d"],
    // Digits within: an id in brackets, and not the name of a variable.
    ...["<a9e5a73a-4d4a-4995-a91c-90295e27100a>", "{a1b2c3}", "[A1B2]", "@a5f3", ":3f25", "$a1b2c3"],
    ...["celery:[a]:1", "$argon2id$v=19", "array-1", "object-7", "nobody@localhost", "Infinity-War", "#5"],
  ])("%s", (text) => {
    expect(placeholderFault(text)).toBeUndefined();
  });

  test("any UUID", () => {
    for (let n = 0; n < 200; n++) expect(placeholderFault(randomUUID())).toBeUndefined();
  });

  test("is looked at in no time, whatever it is", () => {
    const piece = fc.constantFrom("%", "{", "}", "$", "(", "[object ", "<", "0", "-", " ", "a", "'", '"');
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 255 }), (pieces) => {
        const text = pieces.join("").slice(0, 255);
        const cpuMs = measureCpu();
        placeholderFault(text);
        weakness(text);
        expect(cpuMs()).toBeLessThan(1_000);
      }),
      { numRuns: 500 },
    );
  });
});

describe("weak", () => {
  test.each([
    ...["1", "1234567", "order-undefined", "mail:None", "None:mail", "a/null/b", "x_NaN"],
    ...["order-NULL", "mail:nil", "id=None", "mail:", "order-", "news/weekly/"],
  ])("%s", (task) => {
    expect(placeholderFault(task)).toBeUndefined();
    expect(weakness(task)).toBeDefined();
  });

  test.each([
    ...["12345678", "a1", "none-of-them", "nullable", "42:1700000000000", randomUUID()],
    // Ids of chance may end in any of their characters.
    ...["V1StGXR8_Z5jdHi6B-myT-", "abc9_", "YWJj1A=="],
  ])("%s is not", (task) => {
    expect(weakness(task)).toBeUndefined();
  });
});
