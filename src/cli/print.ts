// What commands print: a line of JSON for each thing where a program reads, a table where a person does. What the reader
// doesn't take is not printed any further; src/main.ts then says so in the exit code.
import { shortText } from "../runtime/short-text.ts";

export interface JsonOption {
  readonly json?: boolean;
}

export const JSON_OPTION = ["--json", "print a line of JSON for each, on a terminal too"] as const;

/** Where a command prints, as far as it matters here. */
export interface Paper {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string | Uint8Array): boolean;
  on(event: "error", tell: (error: Error) => void): unknown;
  once(event: Event, tell: () => void): unknown;
  off(event: Event, tell: () => void): unknown;
}

/** After which more may be written, or nothing ever. */
const EVENTS = ["drain", "close", "error"] as const;

type Event = (typeof EVENTS)[number];

const faults = new WeakMap<object, Error>();

/** To be called once, before anything is printed: standard output forgets what went wrong with it, and goes on. */
export function watchFaults(paper: Pick<Paper, "on">): void {
  paper.on("error", (error) => faults.set(paper, faults.get(paper) ?? error));
}

/** What went wrong first: the reader has gone, or the disk is full. */
export const faultOf = (paper: object): Error | undefined => faults.get(paper);

/** Whether a program reads: it asked for JSON, or there is no terminal. */
export const isForPrograms = (
  { json }: JsonOption,
  { isTTY }: Pick<Paper, "isTTY"> = process.stdout,
): boolean => json === true || isTTY !== true;

/** Resolves when more may be printed. False: the reader has gone, and what else would be printed is of no use. */
export async function print(text: string | Uint8Array, paper: Paper = process.stdout): Promise<boolean> {
  if (faultOf(paper) !== undefined) return false;
  if (!paper.write(text)) {
    await new Promise<void>((resolve) => {
      const tell = (): void => {
        for (const event of EVENTS) paper.off(event, tell);
        resolve();
      };
      for (const event of EVENTS) paper.once(event, tell);
    });
  }
  return faultOf(paper) === undefined;
}

export const jsonLine = (value: unknown): string => `${JSON.stringify(value)}\n`;

export interface Column<Row> {
  readonly title: string;
  /** Undefined where there is nothing to say. */
  readonly of: (row: Row) => string | number | undefined;
  /** Numbers are read from their last digit. */
  readonly align?: "right";
  /** Characters at most; the last column that has none gets what is left of the line. */
  readonly max?: number;
}

/** Between two columns. */
const GAP = "  ";

/** Of a terminal that doesn't say. */
const COLUMNS = 80;

/** No shorter, however narrow the terminal is. */
const LAST_MIN = 16;

/** The lines of a table, the titles first; none without rows. Texts of others are made printable. */
export function tableOf<Row>(
  columns: readonly Column<Row>[],
  rows: readonly Row[],
  width: number = process.stdout.columns ?? COLUMNS,
): string {
  if (rows.length === 0) return "";
  const cells = rows.map((row) => columns.map(({ of, max }) => cut(String(of(row) ?? ""), max)));
  const widths = columns.map(({ title }, at) =>
    Math.max(title.length, ...cells.map((line) => lengthOf(line[at] ?? ""))),
  );
  const last = columns.length - 1;
  if (columns[last]?.max === undefined) {
    const before = widths.slice(0, last).reduce((sum, one) => sum + one + GAP.length, 0);
    widths[last] = Math.min(widths[last] ?? 0, Math.max(LAST_MIN, width - before));
  }
  const lineOf = (line: readonly string[]): string =>
    line
      .map((cell, at) => {
        const room = widths[at] ?? 0;
        const shown = cut(cell, room);
        const space = " ".repeat(Math.max(0, room - lengthOf(shown)));
        return columns[at]?.align === "right" ? space + shown : shown + space;
      })
      .join(GAP)
      .trimEnd();
  return [columns.map(({ title }) => title), ...cells].map((line) => `${lineOf(line)}\n`).join("");
}

/** Characters, not the units that JavaScript counts. */
const lengthOf = (text: string): number => [...text].length;

/** More than any terminal shows. */
const CELL_OCTETS = 4096;

function cut(text: string, max = Number.POSITIVE_INFINITY): string {
  const characters = [...shortText(text, CELL_OCTETS)];
  return characters.length <= max ? characters.join("") : `${characters.slice(0, max - 1).join("")}…`;
}
