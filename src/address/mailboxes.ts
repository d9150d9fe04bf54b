// The mailboxes of an address field. nodemailer's address parser is imported here and nowhere else.
import addressparser from "nodemailer/lib/addressparser";
import { canonicalDomain } from "./domain.ts";
import { decodeWords } from "./encoded-words.ts";
import { grammarMailboxes } from "./mailbox-grammar.ts";

/**
 * A From this long holds hundreds of mailboxes; parsing the rest would be work that a client can order.
 */
const FROM_MAX = 8192;

/**
 * The domain of each mailbox, in lower-case A-labels, in their order; undefined for one that has no valid
 * domain (no address, an address literal).
 * @param from the unfolded value of the field; only its first 8192 characters are read
 */
export function mailboxDomains(from: string): (string | undefined)[] {
  const plain = PLAIN_MAILBOX.exec(from);
  if (plain !== null) return [canonicalDomain((plain[1] ?? plain[2]) as string)];
  return addressparser(from.slice(0, FROM_MAX), { flatten: true }).map(({ address }) => domainOf(address));
}

/**
 * The domains of a From on which a decision rests, or undefined when it is no list of mailboxes by the grammar of RFC
 * 5322: then no two readers agree on what it means. Those that other readings find are in it too: of a parser that
 * makes the best of everything, of one that decodes a name before it looks for addresses, and of one that knows no
 * backslash.
 *
 * @param from the unfolded value of the field
 */
export function allDomains(from: string): (string | undefined)[] | undefined {
  if (from.length > FROM_MAX) return undefined;
  const mailboxes = grammarMailboxes(from);
  if (mailboxes === undefined || mailboxes.some(({ isAmbiguous }) => isAmbiguous)) return undefined;
  const texts = [from, decodeWords(from)].flatMap((text) => [text, text.replaceAll("\\", "")]);
  const readings = [...new Set(texts)].flatMap((text) =>
    addressparser(text, { flatten: true })
      .filter(({ address }) => address.includes("@"))
      .map(({ address }) => domainOf(address)),
  );
  return [...mailboxes.map(({ domain }) => canonicalDomain(domain)), ...readings];
}

export interface Mailbox {
  /** Empty where there is none. Encoded words (RFC 2047) are decoded. */
  readonly name: string;
  /** As it is written. */
  readonly address: string;
}

/**
 * The mailboxes of a list, those of groups too.
 *
 * @param list the unfolded value of To, or an address with or without a name
 */
export const mailboxesIn = (list: string): readonly Mailbox[] =>
  addressparser(list, { flatten: true }).flatMap(({ name, address }) =>
    address === "" ? [] : [{ name: decodeWords(name), address }],
  );

/**
 * The mailboxes of From as people read them: names decoded and without quotes, domains in lower-case A-labels. Two values
 * that differ in how they are written give one text. What is no list of mailboxes by the grammar stays as it is.
 *
 * @param from the unfolded value of the field
 */
export function mailboxList(from: string): string {
  if (from.length > FROM_MAX || WRITTEN_AS_READ.test(from)) return from;
  if (grammarMailboxes(from)?.every(({ isAmbiguous }) => !isAmbiguous) !== true) return from;
  const list = mailboxesIn(from).map(({ name, address }) => {
    const at = address.lastIndexOf("@") + 1;
    const domain = address.slice(at);
    const mailbox = `${address.slice(0, at)}${canonicalDomain(domain) ?? domain}`;
    return name === "" ? mailbox : `${name} <${mailbox}>`;
  });
  return list.length === 0 ? from : list.join(", ");
}

/** Most mail: with a name of plain words or without. The longer way would give the same. */
const WRITTEN_AS_READ =
  /^(?:[\w.+-]{1,64}@[a-z\d._-]{1,253}|[\w.-]{1,64}(?: [\w.-]{1,64}){0,8} <[\w.+-]{1,64}@[a-z\d._-]{1,253}>)$/;

/** One mailbox, with or without a name in front, and nothing to quote: most mail. The parser says the same. */
const PLAIN_MAILBOX = /^(?:[\w.+-]{1,64}@([\w.-]{1,253})|[\w .-]{0,200}<[\w.+-]{1,64}@([\w.-]{1,253})>)$/;

/** @param mailbox without angle brackets */
export function domainOf(mailbox: string): string | undefined {
  const at = mailbox.lastIndexOf("@");
  return at < 0 ? undefined : canonicalDomain(mailbox.slice(at + 1));
}
