// docs/benchmarks.md out of results. Nothing here measures, so the same results always make the same page.
import type { Machine } from "./machine.ts";
import type { Result, Table, Target } from "./result.ts";

const INTRODUCTION = `<!-- Written by npm run bench. Change bench/ instead. -->

# Benchmarks

Performance here is a ratio in one run on one machine. Programs that are compared run in turns, under the same
load, on the same disk, with the clients and the SMTP server that takes the mail beside them; each figure is the
median of its turns. A turn counts only if the server has got exactly the mails that were accepted: none lost, none
twice.

\`npm run bench\` measures all of it again and writes this page and the chart; \`npm run bench -- NAME…\` the parts
that are named, some of which take too long to be among all. It needs Linux and root, as Postfix, Exim and the count of processor time do, and Debian's \`postfix\`,
which brings the clients and the server; Haraka comes from npm and Exim from Debian, into \`build/peers\`. Whoever is
not to be had is left out, and the page says so.`;

export function reportMarkdown(results: readonly Result[]): string {
  return paragraphs([
    INTRODUCTION,
    "![The main results as bars](benchmarks.svg)",
    "## What was aimed for",
    targetsMarkdown(results.flatMap(({ targets = [] }) => targets)),
    ...results.map(resultMarkdown),
  ]);
}

/** One result, as it is printed and as it stands in the page. */
export function resultMarkdown({ name, question, method, tables, versions, machine, date }: Result): string {
  const programs = Object.entries(versions ?? {}).map((program) => program.join(" "));
  return paragraphs([
    `## ${question}`,
    method,
    ...tables.map(tableMarkdown),
    `\`npm run bench -- ${name}\`, ${date}: ${[machineLine(machine), ...programs].join(", ")}.`,
  ]);
}

export const targetsMarkdown = (targets: readonly Target[]): string =>
  tableMarkdown({
    columns: ["what", "wanted", "measured", "met"],
    rows: targets.map(({ what, wanted, measured, met }) => [what, wanted, measured, met ? "yes" : "**no**"]),
  });

const machineLine = ({ cores, processor, memory, kernel, filesystem, sync, node }: Machine): string =>
  `${cores} cores (${processor}), ${memory} GiB, Linux ${kernel}, ` +
  `${filesystem} (4 KiB on the disk after ${sync} ms), Node ${node}`;

const rowMarkdown = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const tableMarkdown = ({ columns, rows }: Table): string =>
  [
    rowMarkdown(columns),
    rowMarkdown(columns.map((_, at) => (at === 0 ? "---" : "---:"))),
    ...rows.map(rowMarkdown),
  ].join("\n");

const paragraphs = (parts: readonly string[]): string => `${parts.join("\n\n")}\n`;
