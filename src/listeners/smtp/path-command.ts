// MAIL FROM and RCPT TO as clients write them: the path is cut out of the line here, and identity decides what it is.
// The library refuses addresses that identity takes: dots anywhere, quoted local-parts with a space or an "@",
// underscores in a domain. Pure.

export interface PathCommand {
  /** Without angle brackets and source route; empty for the null reverse-path. */
  readonly path: string;
  /** What follows it: the parameters, each after a space. */
  readonly rest: string;
}

/**
 * The path and the rest of a command, or undefined where no path can be read.
 *
 * @param line the whole command
 * @param name "MAIL FROM" or "RCPT TO"
 * @param strict false: a path without angle brackets, and one with white space just inside of them, is taken too, as
 *   Postfix does
 */
export function readPathCommand(line: string, name: string, strict: boolean): PathCommand | undefined {
  const colon = line.indexOf(":");
  if (colon < 0 || line.slice(0, colon).trim().replace(/\s+/g, " ").toUpperCase() !== name) return undefined;
  const text = line.slice(colon + 1).trim();
  if (!text.startsWith("<")) return strict ? undefined : unbracketed(text);
  const end = endOfPath(text);
  if (end < 0) return undefined;
  const rest = text.slice(end + 1);
  if (rest !== "" && !/^\s/.test(rest)) return undefined;
  const path = withoutRoute(text.slice(1, end));
  return { path: strict ? path : path.trim(), rest };
}

/** The offset of the ">" that ends the path, which is not one within quotes; -1 without. */
function endOfPath(text: string): number {
  let isQuoted = false;
  for (let at = 1; at < text.length; at++) {
    const character = text[at];
    if (character === "\\" && isQuoted) at++;
    else if (character === '"') isQuoted = !isQuoted;
    else if (character === ">" && !isQuoted) return at;
    else if (character === "<" && !isQuoted) return -1;
  }
  return -1;
}

/** Up to the first space outside quotes. Nothing at all would be the null reverse-path, which needs its brackets. */
function unbracketed(text: string): PathCommand | undefined {
  const match = /^(?:"(?:[^"\\]|\\.)*"|[^\s"<>])+(?=\s|$)/.exec(text);
  return match === null ? undefined : { path: match[0], rest: text.slice(match[0].length) };
}

/** RFC 5321 §4.1.2 and appendix C: a source route must be accepted and should be ignored. */
const withoutRoute = (path: string): string => path.replace(/^@[^\s,:@]+(?:,@[^\s,:@]+)*:/, "");
