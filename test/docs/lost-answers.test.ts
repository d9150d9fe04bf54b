// The README's figure of lost answers is the one of the page that the program has written.
import { expect, test } from "vitest";
import { read, rowsOf } from "./tables.ts";

const figures = (path: string, heading: string): (readonly string[])[] =>
  rowsOf(read(path))
    .filter((row) => row.heading === heading && row.cells.length === 4 && /^\d/.test(row.cells[3] ?? ""))
    .map(({ cells }) => cells);

test("README and docs/evidence/lost-answers.md say the same", () => {
  const measured = figures("docs/evidence/lost-answers.md", "Lost answers");
  expect(measured).toHaveLength(2);
  expect(figures("README.md", "What nobody can promise")).toEqual(measured);
});
