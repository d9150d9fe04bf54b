// From by the grammar of RFC 5322 §3.4, for decisions that rest on it: parsers guess differently what a malformed field
// means, so a field that is none by the grammar has no meaning here. Of the obsolete forms only a dot in a name is
// taken (John Q. Public), and groups as RFC 6854 allows them. In time that grows with the length only.

export interface GrammarMailbox {
  /** As written, an address literal with its brackets. */
  readonly domain: string;
  /** Its local-part has an "@" in quotes, so a reader that overlooks the quotes sees another mailbox. */
  readonly isAmbiguous: boolean;
}

/** Comments within comments; nobody means more than one. */
const DEPTH_MAX = 16;

/** RFC 5322 §3.2.3, and all that is not ASCII (RFC 6532 §3.2). */
const ATEXT = /[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u0080-\u{10ffff}-]/u;

/** @returns every mailbox in order, or undefined when the value is no list of mailboxes */
export function grammarMailboxes(from: string): GrammarMailbox[] | undefined {
  const characters = [...from];
  const mailboxes: GrammarMailbox[] = [];
  let at = 0;

  const peek = (): string | undefined => characters[at];
  const eat = (wanted: string): boolean => {
    if (characters[at] !== wanted) return false;
    at++;
    return true;
  };

  /** §3.2.2; false when a comment does not end. */
  function skip(): boolean {
    for (;;) {
      while (peek() === " " || peek() === "\t") at++;
      if (peek() !== "(") return true;
      if (!comment()) return false;
    }
  }

  function comment(): boolean {
    let depth = 0;
    do {
      const character = characters[at++];
      if (character === undefined || isControl(character)) return false;
      if (character === "\\") at++;
      else if (character === "(" && ++depth > DEPTH_MAX) return false;
      else if (character === ")") depth--;
    } while (depth > 0);
    return true;
  }

  function atom(): boolean {
    const start = at;
    while (at < characters.length && ATEXT.test(characters[at] as string)) at++;
    return at > start;
  }

  function quoted(): boolean {
    if (!eat('"')) return false;
    for (;;) {
      const character = characters[at++];
      if (character === undefined || isControl(character)) return false;
      if (character === '"') return true;
      if (character === "\\") at++;
    }
  }

  function dotAtom(): boolean {
    do {
      if (!atom()) return false;
    } while (eat("."));
    return true;
  }

  function addressSpec(): boolean {
    const local = at;
    if (!(peek() === '"' ? quoted() : dotAtom())) return false;
    const isAmbiguous = characters.slice(local, at).includes("@");
    if (!eat("@")) return false;
    const start = at;
    if (peek() === "[") {
      while (at < characters.length && characters[at] !== "]") {
        const character = characters[at++] as string;
        if (isControl(character) || character === " " || character === "\\") return false;
      }
      if (!eat("]")) return false;
    } else if (!dotAtom()) return false;
    mailboxes.push({ domain: characters.slice(start, at).join(""), isAmbiguous });
    return true;
  }

  function angle(): boolean {
    return eat("<") && skip() && addressSpec() && skip() && eat(">") && skip();
  }

  function phrase(): boolean {
    const start = at;
    while (at < characters.length) {
      if (at > start && eat(".")) {
        if (!skip()) return false;
        continue;
      }
      const isWord = peek() === '"' ? quoted() : atom();
      if (!isWord) break;
      if (!skip()) return false;
    }
    return at > start;
  }

  function mailbox(mayBeGroup: boolean): boolean {
    if (!skip()) return false;
    if (peek() === "<") return angle();
    const start = at;
    if (addressSpec()) return skip();
    at = start;
    if (!phrase()) return false;
    if (mayBeGroup && eat(":")) return group();
    return angle();
  }

  function group(): boolean {
    if (!skip()) return false;
    if (!eat(";")) {
      do {
        if (!mailbox(false)) return false;
      } while (eat(","));
      if (!eat(";")) return false;
    }
    return skip();
  }

  do {
    if (!mailbox(true)) return undefined;
  } while (eat(","));
  return at === characters.length ? mailboxes : undefined;
}

const isControl = (character: string): boolean =>
  (character < " " && character !== "\t") || character === "\x7f";
