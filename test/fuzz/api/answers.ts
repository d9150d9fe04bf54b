// Reads what the API answers as HTTP/1.1 (RFC 9112), and holds each answer to the forms and names that docs/ses-api.md has.
import { readFileSync } from "node:fs";
import { resolve } from "node:path";

export interface Answer {
  readonly status: number;
  /** The error's name; undefined where it is none, or no call was read. */
  readonly error?: string | undefined;
  /** Of a mail that was taken, without angle brackets. */
  readonly messageId?: string | undefined;
  /** The server closes behind it. */
  readonly isLast: boolean;
}

export interface AnswerReader {
  /** The answers that are whole now; those with 100 to 199 are none. */
  push(octets: Buffer): Answer[];
  /** How many times the client was told to go on. */
  readonly continues: number;
  readonly faults: readonly string[];
  isWhole(): boolean;
}

/** Status and name of each error of the page, by version: those of SDKs' errors end with "Exception" in version 2 alone. */
function namesOf(page: string): ReadonlySet<string> {
  const names = new Set<string>();
  const [, section = ""] = page.split(/^## Errors$/m);
  for (const line of section.split("\n").filter((one) => one.startsWith("|"))) {
    let status = "";
    for (const [, digits, name] of line.matchAll(/\b(\d{3})\b|`(\w+)`/g)) {
      if (digits !== undefined) status = digits;
      else names.add(`${status} ${name}`);
    }
  }
  return names;
}

const ERRORS = namesOf(readFileSync(resolve("docs/ses-api.md"), "utf8"));

/** What is said to what is no request, without a body. */
const NO_REQUEST: ReadonlySet<number> = new Set([400, 408, 413, 417, 431, 503]);

const HEAD = /^HTTP\/1\.1 ([1-5]\d\d) ([ -~]+)((?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+: [\t -~]*)*)\r\n\r\n/;
const ERROR_XML =
  /^<ErrorResponse xmlns="[^"]+"><Error><Type>(Sender|Receiver)<\/Type><Code>(\w+)<\/Code><Message>[^<]*<\/Message><\/Error><RequestId>[\w-]{36}<\/RequestId><\/ErrorResponse>$/;
const DONE_XML =
  /^<(\w+)Response xmlns="[^"]+"><\1Result>(?:<MessageId>([^<]+)<\/MessageId>|<Max24HourSend>-?\d+<\/Max24HourSend><MaxSendRate>\d+<\/MaxSendRate><SentLast24Hours>\d+<\/SentLast24Hours>|<SendDataPoints\/>)<\/\1Result><ResponseMetadata><RequestId>[\w-]{36}<\/RequestId><\/ResponseMetadata><\/\1Response>$/;

/** @param isHead whether the next answer is to HEAD, and so has no body */
export function createAnswerReader(isHead: () => boolean): AnswerReader {
  const faults: string[] = [];
  let input = "";
  let continues = 0;

  function fault(what: string, text: string): void {
    faults.push(`${what}: ${JSON.stringify(text.slice(0, 500))}`);
  }

  /** Undefined where it is not whole yet. */
  function next(): Answer | "go on" | undefined {
    const [head, digits, , lines = ""] = HEAD.exec(input) ?? [];
    if (head === undefined) {
      if (input.includes("\r\n\r\n")) {
        fault("no head of an answer", input);
        input = "";
      }
      return undefined;
    }
    const status = Number(digits);
    if (status < 200) {
      input = input.slice(head.length);
      continues++;
      return "go on";
    }
    const fields = new Map<string, string>();
    for (const line of lines.split("\r\n").slice(1)) {
      const at = line.indexOf(": ");
      const name = line.slice(0, at).toLowerCase();
      if (fields.has(name)) fault("a field twice", head);
      fields.set(name, line.slice(at + 2));
    }
    const said = fields.get("content-length") ?? "";
    // Node.js itself answers an Expect that it does not know, and a request without Host, in chunks.
    if (fields.get("transfer-encoding") === "chunked" && (status === 417 || status === 400)) {
      if (!input.startsWith("0\r\n\r\n", head.length)) return undefined;
      input = input.slice(head.length + 5);
      return { status, isLast: fields.get("connection") === "close" };
    }
    if (!/^\d+$/.test(said)) fault("no length", head);
    const octets = isHead() ? 0 : Number(said);
    if (input.length < head.length + octets) return undefined;
    const body = Buffer.from(input.slice(head.length, head.length + octets), "latin1").toString();
    input = input.slice(head.length + octets);
    const isLast = fields.get("connection")?.toLowerCase() === "close";
    if (said === "0" && NO_REQUEST.has(status)) {
      if (!isLast) fault("goes on behind what is no request", head);
      return { status, isLast };
    }
    if (!/^[0-9a-f-]{36}$/.test(fields.get("x-amzn-requestid") ?? "")) fault("no id of the request", head);
    return isHead() ? { status, isLast } : { status, isLast, ...meaningOf(status, fields, body, fault) };
  }

  return {
    push(octets) {
      input += octets.toString("latin1");
      const found: Answer[] = [];
      for (let answer = next(); answer !== undefined; answer = next()) {
        if (answer !== "go on") found.push(answer);
      }
      return found;
    },
    get continues() {
      return continues;
    },
    faults,
    isWhole: () => input === "",
  };
}

function meaningOf(
  status: number,
  fields: ReadonlyMap<string, string>,
  body: string,
  fault: (what: string, text: string) => void,
): Pick<Answer, "error" | "messageId"> {
  const isJson = fields.get("content-type") === "application/json";
  if (!isJson && fields.get("content-type") !== "text/xml")
    fault("another type", fields.get("content-type") ?? "");
  const read = isJson ? meaningOfJson(body, fields) : meaningOfXml(status, body);
  if (read === undefined) {
    fault(`an answer ${status} of another form`, body);
    return {};
  }
  if ((status === 200) !== (read.error === undefined)) fault("status and body differ", `${status} ${body}`);
  if (read.error !== undefined && !ERRORS.has(`${status} ${read.error}`)) {
    fault("an error that the page does not have", `${status} ${read.error}`);
  }
  return read;
}

function meaningOfJson(
  body: string,
  fields: ReadonlyMap<string, string>,
): Pick<Answer, "error" | "messageId"> | undefined {
  let value: Record<string, unknown>;
  try {
    value = JSON.parse(body);
  } catch {
    return undefined;
  }
  const { __type: error, message, MessageId: messageId, SendQuota } = value;
  if (typeof error === "string") {
    return typeof message === "string" && message !== "" && fields.get("x-amzn-errortype") === error
      ? { error }
      : undefined;
  }
  if (typeof messageId === "string" && messageId !== "") return { messageId };
  return SendQuota === undefined ? undefined : {};
}

function meaningOfXml(status: number, body: string): Pick<Answer, "error" | "messageId"> | undefined {
  const [failed, type, error] = ERROR_XML.exec(body) ?? [];
  if (failed !== undefined) return type === (status >= 500 ? "Receiver" : "Sender") ? { error } : undefined;
  const [done, , messageId] = DONE_XML.exec(body) ?? [];
  return done === undefined ? undefined : { messageId };
}
