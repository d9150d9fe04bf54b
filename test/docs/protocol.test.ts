// docs/protocol.md shows the table that the code goes by.
import { expect, test } from "vitest";
import { PROTOCOL } from "../../src/ledger/protocol.ts";
import { codeOf, read, rowsOf } from "./tables.ts";

test("the life of an id, cell by cell", () => {
  const documented = rowsOf(read("docs/protocol.md"))
    .filter(({ heading }) => heading === "The life of an id")
    .map(({ cells: [state, ...cells] }) => [codeOf(state), cells]);
  expect(documented).toEqual(Object.entries(PROTOCOL).map(([state, row]) => [state, Object.values(row)]));
});
