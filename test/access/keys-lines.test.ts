// The lines of a keys file.
import { expect, test } from "vitest";
import { parseKeys } from "../../src/access/keys-lines.ts";

const SECRET = "s".repeat(40);

test("ids with user and secret, comments and blank lines; a user may have several", () => {
  const result = parseKeys(`# the shop\n\nMAILONCEA:shop:${SECRET}\r\nMAILONCEB:shop:${"t".repeat(40)}\n`);
  expect(result.ok && [...result.values]).toEqual([
    ["MAILONCEA", { name: "shop", secret: SECRET }],
    ["MAILONCEB", { name: "shop", secret: "t".repeat(40) }],
  ]);
});

test.each([
  ["MAILONCEA", 'line 1: has no ":" between name and user'],
  [`MAILONCEA::${SECRET}`, "line 1: the user's name is not"],
  ["MAILONCEA:shop", "line 1: behind the user is no secret"],
  ["MAILONCEA:shop:short", "line 1: behind the user is no secret"],
  [`MAILONCEA:shop:${SECRET}:more`, "line 1: behind the user is no secret"],
  [`A:shop:${SECRET}\nA/B:shop:${SECRET}`, 'line 2: the id of the key has "/", "," or "="'],
  [`A,B:shop:${SECRET}`, 'line 1: the id of the key has "/", "," or "="'],
  [`A=:shop:${SECRET}`, 'line 1: the id of the key has "/", "," or "="'],
  [`A:shop:${SECRET}\nA:crm:${SECRET}`, 'line 2: "A" is on line 1 already'],
])("%j is refused, without what may be a secret", (text, fault) => {
  const result = parseKeys(text);
  expect(result.ok ? [] : result.faults).toEqual([expect.stringContaining(fault)]);
  expect(JSON.stringify(result)).not.toContain(SECRET);
});
