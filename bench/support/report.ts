// docs/evidence/benchmarks.md out of results. Nothing here measures, so the same results always make the same page.
import type { Machine } from "./machine.ts";
import type { Result, Table, Target } from "./result.ts";

const INTRODUCTION = `<!-- Written by npm run bench. Change bench/ instead. -->

# Benchmarks

Performance here is a ratio in one run on one machine. Programs that are compared run in turns, under the same
load, on the same disk. The clients and the SMTP server that takes the mail run beside them. Each figure is the
median of its turns. A turn counts only if the server has got exactly the accepted mails: none lost, none twice.

\`npm run bench\` measures all of it again and writes this page and the chart. \`npm run bench -- NAME…\` measures the
named parts; some take too long to be among all. It needs Linux and root, for Postfix, Exim and the count of processor
time, and Debian's \`postfix\`, which brings the clients and the server. Haraka comes from npm and Exim from Debian, into
\`build/peers\`. A program that can't be installed is left out, and the page names it.`;

export function reportMarkdown(results: readonly Result[]): string {
  return paragraphs([
    INTRODUCTION,
    "![The main results as bars](benchmarks.svg)",
    "## Targets",
    targetsMarkdown(results.flatMap(({ targets = [] }) => targets)),
    ...results.map(resultMarkdown),
  ]);
}

/** One result, as it is printed and as it is in the page. */
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
