// Reads the Markdown of docs/: tables by the heading above them, and code blocks by their language.
import { readFileSync } from "node:fs";

export const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");

export interface Row {
  /** The nearest heading above, without its number signs. */
  readonly heading: string;
  readonly cells: readonly string[];
}

/** Every row of every table but for heads and rules. A cell holds no "|". */
export function rowsOf(markdown: string): Row[] {
  const rows: Row[] = [];
  let heading = "";
  for (const line of markdown.split("\n")) {
    if (/^#+ /.test(line)) heading = line.replace(/^#+ /, "");
    if (/^\|[-| ]+\|$/.test(line)) rows.pop();
    else if (line.startsWith("|")) {
      const cells = line.slice(1, -1).split("|");
      rows.push({ heading, cells: cells.map((cell) => cell.trim()) });
    }
  }
  return rows;
}

/** The text between back quotes when the cell is nothing else; undefined otherwise. */
export const codeOf = (cell: string | undefined): string | undefined => /^`([^`]+)`$/.exec(cell ?? "")?.[1];

/** The contents of all code blocks of that language. */
export const blocksOf = (markdown: string, language: string): string[] =>
  [...markdown.matchAll(new RegExp(`^\`\`\`${language}\\n(.*?)^\`\`\`$`, "gms"))].map(
    ([, block = ""]) => block,
  );
