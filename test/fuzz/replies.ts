// Reads what a server says as replies (RFC 5321 §4.2) and notes everything that is none.

export interface FuzzReply {
  readonly code: number;
  /** Of all its lines, without codes. */
  readonly text: string;
}

export interface ReplyReader {
  /** The replies that are whole now. */
  push(octets: Buffer): FuzzReply[];
  /** What was no reply, or not the reply it claims to be. */
  readonly faults: readonly string[];
  /** True between two replies. */
  isWhole(): boolean;
}

/** RFC 5321 §4.5.3.1.5, with the CRLF. */
const LINE_OCTETS_MAX = 512;

/** RFC 5321 §4.2: a code, a separator, text of printable ASCII and tabs. */
const LINE = /^([2-5][0-5]\d)(?:([ -])([\t\x20-\x7e]*))?$/;

/** RFC 3463 §2. */
const STATUS = /^([245])\.(?:0|[1-9]\d{0,2})\.(?:0|[1-9]\d{0,2})(?: |$)/;

/** RFC 2034 §4: the greeting, EHLO and HELO have no enhanced status; 3yz has none either. */
const WITHOUT_STATUS: ReadonlySet<number> = new Set([220, 250, 334, 354, 500, 501]);

export function createReplyReader(): ReplyReader {
  const faults: string[] = [];
  let rest = "";
  let lines: { code: string; text: string }[] = [];

  function take(line: string): FuzzReply | undefined {
    const octets = line.length + 2;
    const [, code, separator, text = ""] = LINE.exec(line) ?? [];
    if (code === undefined) {
      faults.push(`no reply: ${JSON.stringify(line)}`);
      lines = [];
      // It was meant as one, so that the next is not taken for it.
      return { code: Number.parseInt(line, 10) || 0, text: line.slice(4) };
    }
    if (octets > LINE_OCTETS_MAX) faults.push(`a reply line of ${octets} octets: ${line.slice(0, 100)}`);
    const [first] = lines;
    if (first !== undefined && first.code !== code)
      faults.push(`codes differ in one reply: ${first.code}, ${line}`);
    checkStatus(code, text);
    lines.push({ code, text });
    if (separator === "-") return undefined;
    const reply = { code: Number(code), text: lines.map((one) => one.text).join("\n") };
    lines = [];
    return reply;
  }

  function checkStatus(code: string, text: string): void {
    const status = STATUS.exec(text);
    if (status === null) {
      if (!WITHOUT_STATUS.has(Number(code))) faults.push(`no enhanced status: ${code} ${text}`);
    } else if (status[1] !== code[0]) {
      faults.push(`a status of another class: ${code} ${text}`);
    } else if (STATUS.test(text.slice(status[0].length))) {
      faults.push(`two enhanced statuses: ${code} ${text}`);
    }
  }

  return {
    faults,
    isWhole: () => rest === "" && lines.length === 0,
    push(octets) {
      const found: FuzzReply[] = [];
      rest += octets.toString("latin1");
      for (let end = rest.indexOf("\r\n"); end >= 0; end = rest.indexOf("\r\n")) {
        const reply = take(rest.slice(0, end));
        rest = rest.slice(end + 2);
        if (reply !== undefined) found.push(reply);
      }
      return found;
    },
  };
}
