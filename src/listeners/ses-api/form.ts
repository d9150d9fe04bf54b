// The form in which version 1 of the API of SES is called: parameters, and lists whose members have numbers.
import { CallError, shown } from "./call.ts";

export type Parameter = readonly [name: string, value: string];

/** As `URLSearchParams` reads them, which takes longer for a mail in base64 than all else that is done for it. @throws CallError */
export function parametersOf(text: string): Parameter[] {
  if (countOf("&", text) > PARAMETERS_MAX) {
    throw new CallError("invalid", "the call has too many parameters");
  }
  return text.split("&").flatMap((pair): Parameter[] => {
    if (pair === "") return [];
    const at = pair.indexOf("=");
    return [at < 0 ? [decoded(pair), ""] : [decoded(pair.slice(0, at)), decoded(pair.slice(at + 1))]];
  });
}

function countOf(character: string, text: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) count++;
  return count;
}

function decoded(text: string): string {
  const spaced = text.replaceAll("+", " ");
  if (!spaced.includes("%")) return spaced;
  // All that base64 has to escape.
  const plain = spaced.replaceAll("%2B", "+").replaceAll("%2F", "/").replaceAll("%3D", "=");
  if (!plain.includes("%")) return plain;
  try {
    return decodeURIComponent(plain);
  } catch {
    return new URLSearchParams(`=${text}`).get("") ?? "";
  }
}

/** The parameters of a call, read in one pass. */
export interface Form {
  readonly values: ReadonlyMap<string, string>;
  /** Of `LIST.member.1`, `LIST.member.2` and so on, by the name of the list; of a tag by Name and Value, of others by "". */
  readonly lists: ReadonlyMap<string, readonly ReadonlyMap<string, string>[]>;
}

const FIELDS: ReadonlySet<string> = new Set([
  ...["Action", "Version", "Timestamp", "AWSAccessKeyId", "Source", "ReturnPath", "ConfigurationSetName"],
  ...["RawMessage.Data", "Message.Subject.Data", "Message.Subject.Charset"],
  ...["Message.Body.Text.Data", "Message.Body.Text.Charset"],
  ...["Message.Body.Html.Data", "Message.Body.Html.Charset"],
]);

const LISTS: ReadonlySet<string> = new Set([
  ...["Destinations", "Destination.ToAddresses", "Destination.CcAddresses", "Destination.BccAddresses"],
  ...["ReplyToAddresses", "Tags"],
]);

const MEMBER = /^([\w.]+)\.member\.(\d{1,5})(?:\.(Name|Value))?$/;

/** As many as version 2 may have parts. */
const PARAMETERS_MAX = 10_000;

/** @throws CallError for what is not known, given twice, or missing in a list: nothing is left out in silence */
export function formOf(parameters: readonly Parameter[]): Form {
  const values = new Map<string, string>();
  const numbered = new Map<string, Map<number, Map<string, string>>>();
  for (const [key, value] of parameters) {
    // An empty list.
    if (LISTS.has(key) && value === "") continue;
    const [, list, number, part = ""] = MEMBER.exec(key) ?? [];
    const isKnown =
      list === undefined ? FIELDS.has(key) : LISTS.has(list) && (part !== "") === (list === "Tags");
    if (!isKnown) {
      throw new CallError("invalid", `mailonce does not know ${shown(key)}; send this mail to SES itself`);
    }
    const holder = list === undefined ? values : memberOf(numbered, list, Number(number));
    const name = list === undefined ? key : part;
    if (holder.has(name)) throw new CallError("invalid", `${shown(key)} is given twice`);
    holder.set(name, value);
  }
  return { values, lists: new Map([...numbered].map(([list, found]) => [list, inOrder(list, found)])) };
}

function memberOf(
  numbered: Map<string, Map<number, Map<string, string>>>,
  list: string,
  number: number,
): Map<string, string> {
  const members = numbered.get(list) ?? new Map<number, Map<string, string>>();
  numbered.set(list, members);
  const member = members.get(number) ?? new Map<string, string>();
  members.set(number, member);
  return member;
}

function inOrder<T>(list: string, found: ReadonlyMap<number, T>): T[] {
  return Array.from({ length: found.size }, (_, index) => {
    const member = found.get(index + 1);
    if (member === undefined) throw new CallError("invalid", `${list}.member.${index + 1} is missing`);
    return member;
  });
}
