// docs/damage.md says what test/damage/ has found to be so.
import { expect, test } from "vitest";
import { DAMAGES, PARTS, PARTS_WITH_SEALS, ROWS, SAYS } from "../damage/table.ts";
import { read, rowsOf } from "./tables.ts";

const rows = rowsOf(read("docs/damage.md"));
const under = (heading: string, columns: number) =>
  rows.filter((row) => row.heading === heading && row.cells.length === columns).map(({ cells }) => cells);

test("file by damage: what the start says, and what is lost", () => {
  expect(under("File by file", 4)).toEqual(
    ROWS.map(({ files, damages, outcome, lost }) => [
      files,
      damages.length === DAMAGES.length ? "any" : damages.join(", "),
      SAYS[outcome],
      lost,
    ]),
  );
});

test("parts of the folder from another time", () => {
  expect(under("Parts of the folder from another time", 2)).toEqual(
    [...PARTS, ...PARTS_WITH_SEALS].map(({ part }) => [part, "refused"]),
  );
});
