// Calls of the API of SES as SDKs make them, in both of its versions, and with what parsers of them stumble over.
import { crc32 } from "node:zlib";
import type { Chance } from "../../crash/chance.ts";
import { damagedMessage } from "../messages.ts";
import { mutated, randomOctets, skewed } from "../mutate.ts";

/** A request before it is signed and framed. */
export interface Call {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

/** Text that goes into JSON as it is. */
class Verbatim {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Tree = unknown;
type Pair = [name: string, value: string];

/** The recipient of request `number`, by which the account finds it again; changed, it is no other request's. */
export const recipientOf = (number: number, nth: number): string =>
  `q${number}.${checkOf(`${number}`)}.${nth}@example.net`;

export const numberIn = (recipient: string): number | undefined => {
  const [, digits = "", check] = /^q(\d{1,9})\.(\d+)\.\d@example\.net$/.exec(recipient) ?? [];
  return check === checkOf(digits) ? Number(digits) : undefined;
};

const checkOf = (digits: string): string => `${crc32(digits)}`;

/** Each call has a task of its own, named in one of the ways that there are, or none. */
export function drawCall(chance: Chance, number: number): Call {
  const fate = chance.fraction();
  const damages = chance.fraction() < 0.2 ? 0 : 1 + chance.below(3);
  if (fate < 0.04) return asks(chance);
  return fate < 0.55 ? jsonCall(chance, number, damages) : formCall(chance, number, damages);
}

const JSON_TYPE = ["Content-Type", "application/json"] as const;
const FORM_TYPE = ["Content-Type", "application/x-www-form-urlencoded; charset=utf-8"] as const;
const SEND = "/v2/email/outbound-emails";

function asks(chance: Chance): Call {
  const action = chance.pick([
    "GetSendQuota",
    "GetSendStatistics",
    "VerifyEmailIdentity",
    "SendTemplatedEmail",
  ]);
  const path = chance.pick(["/v2/email/account", "/v2/email/identities", "/v2/email/outbound-bulk-emails"]);
  return chance.fraction() < 0.5
    ? { method: chance.pick(["GET", "PUT", "HEAD"]), path, headers: [], body: Buffer.alloc(0) }
    : {
        method: "POST",
        path: "/",
        headers: [FORM_TYPE],
        body: Buffer.from(`Action=${action}&Version=2010-12-01`),
      };
}

interface Mail {
  readonly task: string;
  /** Where the task is named. */
  readonly by: "content" | "tag" | "request" | "none";
  readonly to: readonly string[];
  readonly tags: readonly { readonly Name: string; readonly Value: string }[];
  /** Of the HTTP request. */
  readonly fields: readonly (readonly [string, string])[];
}

function mailOf(chance: Chance, number: number): Mail {
  const task = `api-${number}-${chance.below(2 ** 31)}`;
  const by = chance.pick(["content", "content", "tag", "request", "none"] as const);
  const count = chance.fraction() < 0.85 ? 1 : 2 + chance.below(3);
  return {
    ...{ task, by },
    to: Array.from({ length: count }, (_, nth) => recipientOf(number, nth)),
    tags: [
      ...(by === "tag" ? [{ Name: "task-id", Value: task }] : []),
      ...(chance.fraction() < 0.2 ? [{ Name: "campaign", Value: "spring_2026" }] : []),
      ...(chance.fraction() < 0.1 ? [{ Name: "task-part", Value: "invoice" }] : []),
    ],
    fields: [
      ...(by === "request" ? [["X-Task-Id", task] as const] : []),
      ["amz-sdk-invocation-id", `${number}-${chance.below(2 ** 31)}`] as const,
    ],
  };
}

const FROM = "App <app@sender.example>";

/** The mail itself, in base64. */
function rawData(chance: Chance, { task, by, to }: Mail): string {
  const named = by === "content" ? `X-Task-Id: ${task}\r\n` : "";
  const octets =
    chance.fraction() < 0.25
      ? damagedMessage(chance, task)
      : Buffer.from(
          `${named}From: ${FROM}\r\nTo: ${to.join(", ")}\r\nSubject: News\r\n\r\nHello ${task}.\r\n`,
        );
  return octets.toString("base64");
}

const textOf = (chance: Chance): string =>
  chance.fraction() < 0.9
    ? 'Grüße, 世界 💩 & <b>"more"</b>\n.\n'
    : randomOctets(chance, skewed(chance, 1, 3_000)).toString("latin1");

// Version 2.

function jsonCall(chance: Chance, number: number, damages: number): Call {
  const mail = mailOf(chance, number);
  let tree: Tree = jsonTree(chance, mail);
  for (let time = 0; time < damages; time++) tree = chance.pick(TREE_DAMAGES)({ tree }, chance);
  let body: Buffer = Buffer.from(jsonOf(tree));
  if (damages > 0 && chance.fraction() < 0.25) body = mutated(body, chance, 1 + chance.below(4));
  return { method: "POST", path: SEND, headers: [JSON_TYPE, ...mail.fields], body };
}

function jsonTree(chance: Chance, mail: Mail): Tree {
  const { to, tags, by, task } = mail;
  const [first, ...others] = to;
  const Destination = {
    ToAddresses: [first],
    ...(others.length > 0 ? { CcAddresses: others.slice(0, 1), BccAddresses: others.slice(1) } : {}),
  };
  const more = {
    ...(tags.length > 0 ? { EmailTags: tags } : {}),
    ...(chance.fraction() < 0.1 ? { ConfigurationSetName: "transactional", TenantName: "shop" } : {}),
    ...(chance.fraction() < 0.1
      ? { ListManagementOptions: { ContactListName: "news", TopicName: "weekly" } }
      : {}),
    ...(chance.fraction() < 0.1 ? { FeedbackForwardingEmailAddress: "bounce@sender.example" } : {}),
    ...(chance.fraction() < 0.1 ? { ReplyToAddresses: ["reply@sender.example"] } : {}),
  };
  if (chance.fraction() < 0.5) {
    return {
      FromEmailAddress: FROM,
      Destination,
      Content: { Raw: { Data: rawData(chance, mail) } },
      ...more,
    };
  }
  const attachment = {
    RawContent: randomOctets(chance, chance.below(200)).toString("base64"),
    FileName: "Rechnung „1“.pdf",
    ContentType: "application/pdf",
    ...(chance.fraction() < 0.5 ? { ContentDisposition: "INLINE", ContentId: "logo" } : {}),
  };
  const Simple = {
    Subject: { Data: "Grüße", Charset: "UTF-8" },
    Body: {
      Text: { Data: textOf(chance) },
      ...(chance.fraction() < 0.5 ? { Html: { Data: textOf(chance) } } : {}),
    },
    ...(by === "content" ? { Headers: [{ Name: "X-Task-Id", Value: task }] } : {}),
    ...(chance.fraction() < 0.2 ? { Attachments: [attachment] } : {}),
  };
  return { FromEmailAddress: FROM, Destination, Content: { Simple }, ...more };
}

function jsonOf(tree: Tree): string {
  if (tree instanceof Verbatim) return tree.text;
  if (Array.isArray(tree)) return `[${tree.map(jsonOf).join(",")}]`;
  if (tree === null || typeof tree !== "object") return JSON.stringify(tree ?? null);
  const members = Object.entries(tree).map(([name, value]) => `${JSON.stringify(name)}:${jsonOf(value)}`);
  return `{${members.join(",")}}`;
}

/** What may stand in the place of any value. */
const ODD_VALUES: readonly Tree[] = [
  ...[
    null,
    true,
    0,
    -1,
    1.5,
    "",
    [],
    {},
    [null],
    "\0",
    "x\r\nBcc: evil@example.org",
    "<>",
    "a@b@c",
    " ",
    "None",
  ],
  ...[
    "1e400",
    "-0",
    "12345678901234567890123",
    '"\\ud800"',
    '"\\udc00\\ud800 x"',
    '"\\u0000\\u2028"',
    '{"a":1,"a":2}',
    '{"__proto__":{"Raw":{"Data":""}}}',
    '{"constructor":{"prototype":{"x":1}}}',
    ...["NaN", "01", '"\\x"', "'a'", "/**/1", "tru", '"\t"', "\u00a0", "\ufeff1"],
    `${"[".repeat(3_000)}${"]".repeat(3_000)}`,
    `${'{"a":'.repeat(2_000)}1${"}".repeat(2_000)}`,
    `"${"x".repeat(20_000)}"`,
    `[${'"q@example.net",'.repeat(1_100)}"q@example.net"]`,
  ].map((text) => new Verbatim(text)),
];

function oddValue(chance: Chance): Tree {
  const value = chance.pick(ODD_VALUES);
  // What is damaged next must not be the constant.
  return value instanceof Verbatim ? value : structuredClone(value);
}

/** What base64 may be damaged with. */
const BASE64_ODD = ["=", "==", "-", "_", " ", "\n", "\r\n", "*", "é", "A", "AA", "\0"];

interface Slot {
  readonly holder: Record<string, Tree>;
  readonly key: string;
}

function slotsOf(tree: Tree, found: Slot[] = []): Slot[] {
  if (tree === null || typeof tree !== "object" || tree instanceof Verbatim) return found;
  for (const key of Object.keys(tree)) {
    const holder = tree as Record<string, Tree>;
    found.push({ holder, key });
    slotsOf(holder[key], found);
  }
  return found;
}

/** @returns the tree, changed */
type TreeDamage = (root: { tree: Tree }, chance: Chance) => Tree;

/** At any value, the whole one too. */
const atSlot =
  (change: (slot: Slot, chance: Chance) => void): TreeDamage =>
  (root, chance) => {
    const slots = slotsOf(root);
    change(chance.pick(slots), chance);
    return root.tree;
  };

const TREE_DAMAGES: readonly TreeDamage[] = [
  atSlot(({ holder, key }, chance) => {
    holder[key] = oddValue(chance);
  }),
  atSlot(({ holder, key }) => {
    delete holder[key];
  }),
  atSlot(({ holder, key }, chance) => {
    if (Array.isArray(holder)) return;
    const name = chance.pick([
      key.toLowerCase(),
      `${key} `,
      "",
      "__proto__",
      `${key}\0`,
      "Template",
      "x".repeat(300),
    ]);
    const value = holder[key];
    delete holder[key];
    Object.defineProperty(holder, name, { value, enumerable: true, configurable: true, writable: true });
  }),
  // A name twice, with the same value and with another.
  atSlot(({ holder, key }, chance) => {
    const value = holder[key];
    if (value === null || typeof value !== "object" || Array.isArray(value) || value instanceof Verbatim)
      return;
    const [member] = Object.entries(value);
    if (member === undefined) return;
    const other = chance.fraction() < 0.5 ? member[1] : oddValue(chance);
    const text = jsonOf(value);
    holder[key] = new Verbatim(`${text.slice(0, -1)},${JSON.stringify(member[0])}:${jsonOf(other)}}`);
  }),
  atSlot(({ holder, key }, chance) => {
    const value = holder[key];
    holder[key] = chance.fraction() < 0.5 ? [value] : { [key]: value };
  }),
  atSlot(({ holder, key }, chance) => {
    const value = holder[key];
    if (typeof value === "string") holder[key] = damagedText(value, chance);
    else if (Array.isArray(value)) holder[key] = [...value, ...value];
  }),
];

function damagedText(text: string, chance: Chance): string {
  if (/^[A-Za-z0-9+/]{40,}={0,2}$/.test(text)) {
    const at = chance.below(text.length + 1);
    return text.slice(0, at) + chance.pick(BASE64_ODD) + text.slice(at + chance.below(3));
  }
  return mutated(Buffer.from(text), chance, 1 + chance.below(3)).toString(chance.pick(["utf8", "latin1"]));
}

// Version 1.

function formCall(chance: Chance, number: number, damages: number): Call {
  const mail = mailOf(chance, number);
  const pairs = formPairs(chance, mail);
  for (let time = 0; time < damages; time++) chance.pick(FORM_DAMAGES)(pairs, chance);
  const encode = chance.fraction() < 0.95 ? encodeURIComponent : (text: string) => text;
  let body: Buffer = Buffer.from(
    pairs.map(([name, value]) => `${encode(name)}=${encode(wellFormed(value))}`).join("&"),
  );
  if (damages > 0 && chance.fraction() < 0.25) body = mutated(body, chance, 1 + chance.below(4));
  return { method: "POST", path: "/", headers: [FORM_TYPE, ...mail.fields], body };
}

/** encodeURIComponent takes no surrogate alone. */
const wellFormed = (text: string): string => Buffer.from(text).toString();

function formPairs(chance: Chance, mail: Mail): Pair[] {
  const { to, tags, by } = mail;
  const listed = (list: string, values: readonly string[]): Pair[] =>
    values.map((value, at) => [`${list}.member.${at + 1}`, value]);
  const tagPairs = tags.flatMap(({ Name, Value }, at): Pair[] => [
    [`Tags.member.${at + 1}.Name`, Name],
    [`Tags.member.${at + 1}.Value`, Value],
  ]);
  const set: Pair[] = chance.fraction() < 0.1 ? [["ConfigurationSetName", "transactional"]] : [];
  const source: Pair[] = [["Source", FROM]];
  if (chance.fraction() < 0.5 || by === "content") {
    const data: Pair = ["RawMessage.Data", rawData(chance, mail)];
    const head: Pair[] = [
      ["Action", "SendRawEmail"],
      ["Version", "2010-12-01"],
    ];
    return [...head, ...source, ...listed("Destinations", to), data, ...tagPairs, ...set];
  }
  return [
    ["Action", "SendEmail"],
    ["Version", "2010-12-01"],
    ...source,
    ...listed("Destination.ToAddresses", to.slice(0, 1)),
    ...listed("Destination.CcAddresses", to.slice(1, 2)),
    ...listed("Destination.BccAddresses", to.slice(2)),
    ...(chance.fraction() < 0.1 ? listed("ReplyToAddresses", ["reply@sender.example"]) : []),
    ...(chance.fraction() < 0.1 ? ([["ReturnPath", "bounce@sender.example"]] as Pair[]) : []),
    ["Message.Subject.Data", "Grüße"],
    ["Message.Body.Text.Data", textOf(chance)],
    ...(chance.fraction() < 0.5 ? ([["Message.Body.Html.Data", textOf(chance)]] as Pair[]) : []),
    ...tagPairs,
    ...set,
  ];
}

type FormDamage = (pairs: Pair[], chance: Chance) => void;

const atPair =
  (change: (pair: Pair, chance: Chance) => void): FormDamage =>
  (pairs, chance) => {
    if (pairs.length > 0) change(chance.pick(pairs), chance);
  };

const FORM_DAMAGES: readonly FormDamage[] = [
  atPair((pair, chance) => {
    pair[1] = damagedText(pair[1], chance);
  }),
  atPair((pair, chance) => {
    pair[1] = chance.pick([
      "",
      "\0",
      "x\r\nBcc: evil@example.org",
      "<>",
      "\ufffd",
      "x".repeat(20_000),
      "None",
      "&=%",
    ]);
  }),
  atPair((pair, chance) => {
    pair[0] = mutated(Buffer.from(pair[0]), chance, 1).toString("latin1");
  }),
  atPair((pair, chance) => {
    const number = chance.pick(["0", "00001", "2", "99999", "100000", "-1", "1e3", "", "１", "1.member.1"]);
    pair[0] = pair[0].replace(/member\.\d+/, `member.${number}`);
  }),
  (pairs, chance) => {
    if (pairs.length > 0) pairs.splice(chance.below(pairs.length), 1);
  },
  (pairs, chance) => {
    if (pairs.length > 0) pairs.push([...chance.pick(pairs)]);
  },
  (pairs, chance) => {
    const odd = [
      "__proto__",
      "constructor",
      "SourceArn",
      "Template",
      "",
      "Destinations",
      "Tags.member.1.Other",
    ];
    pairs.push([chance.pick(odd), chance.pick(["", "1"])]);
  },
  (pairs, chance) => {
    if (chance.fraction() < 0.02) for (let at = 0; at < 10_001; at++) pairs.push(["", ""]);
  },
];
