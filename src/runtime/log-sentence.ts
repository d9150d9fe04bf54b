// An event as one line for a person: its sentence (log-sentences.ts), then the other fields. Values from
// outside can neither break the line nor colour the terminal.
import { countOf } from "./amounts.ts";
import { sentences } from "./log-sentences.ts";

export type Facts = Readonly<Record<string, unknown>>;

/** A part that may be left out, or one placeholder outside of such a part. */
const PART = /\[([^\]]*)\]/g;
const PLACEHOLDER = /\{(?:(if|unless) )?(\w+)(?::([\w ]+))?\}/g;

/** An event without a sentence, or without a field that its sentence needs, is its name and all of its fields. */
export function sentenceOf(event: string, facts: Facts): string {
  const named = new Set<string>();
  const template = sentences.get(event);
  const sentence = template === undefined ? undefined : said(template, facts, named);
  if (sentence === undefined) named.clear();
  const rest = Object.entries(facts)
    .filter(([name, value]) => !named.has(name) && value !== undefined)
    .map(([name, value]) => `${visible(name)}=${quoted(value)}`);
  return [sentence ?? visible(event), ...rest].join(" ");
}

/** The fields that a sentence can say, and those that it can't do without. */
export function fieldsOf(template: string): { readonly all: Set<string>; readonly needed: Set<string> } {
  const names = (text: string): Set<string> =>
    new Set([...text.matchAll(PLACEHOLDER)].map(([, , name = ""]) => name));
  return { all: names(template), needed: names(template.replace(PART, "")) };
}

function said(template: string, facts: Facts, named: Set<string>): string | undefined {
  // What a part says is put in last: a value may have brackets and braces of its own.
  const parts: string[] = [];
  for (const piece of template.split(/(\[[^\]]*\])/)) {
    const isPart = piece.startsWith("[");
    const text = filled(isPart ? piece.slice(1, -1) : piece, facts, named);
    if (text === undefined && !isPart) return undefined;
    parts.push(text ?? "");
  }
  return parts.join("");
}

/** Undefined when something that it needs is not there. */
function filled(text: string, facts: Facts, named: Set<string>): string | undefined {
  const used: string[] = [];
  let isWhole = true;
  const result = text.replace(
    PLACEHOLDER,
    (_, condition: string | undefined, name: string, noun?: string) => {
      const value = facts[name];
      const isThere =
        condition === undefined ? value !== undefined && value !== null : value === (condition === "if");
      isWhole &&= isThere;
      used.push(name);
      if (!isThere || condition !== undefined) return "";
      return noun === undefined ? shown(name, value) : counted(value, noun);
    },
  );
  if (!isWhole) return undefined;
  for (const name of used) named.add(name);
  return result;
}

function shown(name: string, value: unknown): string {
  if (typeof value === "number" && /(^m|M)s$/.test(name)) return lasting(value);
  if (Array.isArray(value)) return value.map((item) => shown("", item)).join(", ");
  return visible(typeof value === "object" ? JSON.stringify(value) : String(value));
}

function counted(value: unknown, noun: string): string {
  const count = typeof value === "number" ? countOf(value) : shown("", value);
  return `${count} ${noun}${value === 1 ? "" : "s"}`;
}

const UNITS = [
  [86_400_000, "days"],
  [3_600_000, "hours"],
  [60_000, "minutes"],
  [1_000, "s"],
] as const;

/** To a tenth: "12 ms", "5.1 s", "2 minutes". Below two of a unit the smaller one says more. */
function lasting(ms: number): string {
  for (const [length, unit] of UNITS) {
    if (ms >= 2 * length || (unit === "s" && ms >= length))
      return `${Number((ms / length).toFixed(1))} ${unit}`;
  }
  return `${Math.round(ms)} ms`;
}

function quoted(value: unknown): string {
  const text = typeof value === "string" ? value : JSON.stringify(value);
  return visible(typeof value === "string" && /[\s"=]|^$/.test(text) ? JSON.stringify(text) : text);
}

/** Controls, line separators, what turns the direction of writing or has no width, and halves of surrogate pairs. */
const INVISIBLE = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

const visible = (text: string): string =>
  text.replace(INVISIBLE, (character) => `\\u{${(character.codePointAt(0) ?? 0).toString(16)}}`);
