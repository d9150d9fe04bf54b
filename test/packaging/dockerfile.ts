// packaging/Dockerfile as data, to the extent that it is written in: instructions over several lines, stages.
import { readFileSync } from "node:fs";

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The instructions of each stage, FROM first. */
export function readStages(path: string): Instruction[][] {
  const lines = readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"))
    .join("\n")
    .replace(/\\\n\s*/g, "")
    .split("\n");
  const stages: Instruction[][] = [];
  for (const line of lines) {
    const [, name = "", text = ""] = /^([A-Z]+)\s+(.*)$/.exec(line) ?? [];
    if (name === "") throw new Error(`not an instruction: ${line}`);
    if (name === "FROM") stages.push([]);
    stages.at(-1)?.push({ name, text });
  }
  return stages;
}

export const textsOf = (stage: readonly Instruction[], name: string): string[] =>
  stage.flatMap((instruction) => (instruction.name === name ? [instruction.text] : []));

/** What COPY takes from where, and the folder or file that it goes to. */
export function copyOf(text: string): { readonly sources: string[]; readonly target: string } {
  const words = text.split(/\s+/).filter((word) => !word.startsWith("--"));
  return { sources: words.slice(0, -1), target: words.at(-1) ?? "" };
}

/** The variables of ENV, without quotes or spaces in them. */
export const variablesOf = (texts: readonly string[]): Record<string, string> =>
  Object.fromEntries(
    texts.flatMap((text) => text.split(/\s+/).map((pair) => pair.split("=", 2) as [string, string])),
  );
