// The header fields of a message that are for SES, and the names in them. Pure: the upstream passes them to
// SES, and the policy decides who may use which name.
import { bufferOf } from "../runtime/buffer-view.ts";
import { fieldValues, type HeaderField } from "./header.ts";

/** Lower-case names. */
export const SES_FIELDS = {
  configurationSet: "x-ses-configuration-set",
  tags: "x-ses-message-tags",
  list: "x-ses-list-management-options",
  tenant: "x-ses-tenant",
} as const;

/** Carries the id into every event that SES publishes, whatever becomes of the header there. */
export const ID_TAG = "mailonce-id";

/** Names the ledger, so that the events of two ledgers in one queue can be kept apart. */
export const LEDGER_TAG = "mailonce-ledger";

const OWN_TAGS: ReadonlySet<string> = new Set([ID_TAG, LEDGER_TAG]);

/** SES takes no other spelling of a name: white space around it at most. */
const isOwnTag = (tag: string): boolean =>
  OWN_TAGS.has((tag.split("=", 1)[0] ?? "").replace(/[\s\p{Cc}]/gu, "").toLowerCase());

/**
 * A field of tags without those that only mailonce may set, since their events are believed: a mail that goes to SES's SMTP
 * endpoint could settle another's doubt. As a rule there are none, and the field stays as it is. The others keep their
 * octets: what SES would refuse is for the upstream to leave out, which says so.
 *
 * @returns its octets; undefined when nothing of it is left
 */
export function withoutOwnTags({ raw }: HeaderField): Uint8Array | undefined {
  const text = bufferOf(raw).toString("latin1");
  const tags = text.slice(text.indexOf(":") + 1).split(",");
  if (!tags.some(isOwnTag)) return raw;
  const others = tags
    .map((tag) => tag.replace(/^[ \t\r\n]+/, ""))
    .filter((tag) => tag !== "" && !isOwnTag(tag));
  const [first] = others;
  if (first === undefined) return undefined;
  // Each begins a line, so that no line becomes longer than those of the mailer.
  const list = others.join(",\r\n ");
  const fold = first.length > FIRST_TAG_MAX ? "\r\n" : "";
  return Buffer.from(`X-SES-MESSAGE-TAGS:${fold} ${list.slice(0, endOf(list))}\r\n`, "latin1");
}

/** Without white space at the end, which may be a line of its own. No expression: of a long run it would be quadratic. */
function endOf(list: string): number {
  let end = list.length;
  while (end > 0 && " \t\r\n".includes(list.charAt(end - 1))) end--;
  return end;
}

/** With the name before it, below the 998 octets of a line (RFC 5322 §2.1.1). */
const FIRST_TAG_MAX = 900;

/** Everything that a message names to SES, each field read as widely as SES may read it. */
export interface SesNames {
  readonly configurationSets: readonly string[];
  readonly tenants: readonly string[];
  /** Contact lists, without their topics. */
  readonly contactLists: readonly string[];
  /** Names of tags. */
  readonly tags: readonly string[];
}

/** Of all fields of a name, as a server may take any of several. */
export function sesNamesOf(fields: readonly HeaderField[]): SesNames {
  const values = (name: string): string[] => fieldValues(fields, name).filter((value) => value !== "");
  const before = (text: string, end: string): string => (text.split(end, 1)[0] ?? "").trim();
  return {
    configurationSets: values(SES_FIELDS.configurationSet),
    tenants: values(SES_FIELDS.tenant),
    contactLists: values(SES_FIELDS.list).map((value) =>
      before(value, ";").replace(/^contactListName[ \t]*=[ \t]*/i, ""),
    ),
    tags: values(SES_FIELDS.tags)
      .flatMap((value) => value.split(","))
      .filter((tag) => tag.trim() !== "")
      .map((tag) => before(tag, "=")),
  };
}
