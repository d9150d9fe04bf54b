// A value that names nothing is refused; one that may name something is not.
// biome-ignore-all lint/suspicious/noTemplateCurlyInString: such texts are what is looked for.
import { randomUUID } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { placeholderFault, weakness } from "../../src/identity/placeholder.ts";

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
  const objects = ["<function id at 0x7f00>", "<built-in function id>", "function () { return 1 }"];

  test.each([...nothing, ...unfilled, ...more, ...inside, ...uuids, ...objects])("%s", (text) => {
    expect(placeholderFault(text)).toMatch(/ names nothing$/);
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
        const started = performance.now();
        placeholderFault(text);
        weakness(text);
        expect(performance.now() - started).toBeLessThan(50);
      }),
      { numRuns: 500 },
    );
  });
});

describe("weak", () => {
  test.each(["1", "1234567", "order-undefined", "mail:None", "None:mail", "a/null/b", "x_NaN"])(
    "%s",
    (task) => {
      expect(placeholderFault(task)).toBeUndefined();
      expect(weakness(task)).toBeDefined();
    },
  );

  test.each(["12345678", "a1", "none-of-them", "nullable", "42:1700000000000", randomUUID()])(
    "%s is not",
    (task) => {
      expect(weakness(task)).toBeUndefined();
    },
  );
});
