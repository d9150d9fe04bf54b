// The header fields of a message that are for SES, and the names in them. Pure: the upstream passes them to
// SES, and the policy decides who may use which name.
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

const OWN_TAG = new RegExp(`${ID_TAG}|${LEDGER_TAG}`, "i");

/** SES takes no other characters in a tag, and 256 in a name and in a value. */
const KEEPABLE_TAG = /^[\x21-\x7e \t]{1,600}$/;

/**
 * A field of tags without those that only mailonce may set, since their events are believed: a mail that goes to SES's SMTP
 * endpoint could settle another's doubt. As a rule there are none, and the field stays as it is.
 *
 * @returns its octets; undefined when nothing of it is left
 */
export function withoutOwnTags(field: HeaderField): Uint8Array | undefined {
  const isOwn = (text: string): boolean => OWN_TAG.test(text.replace(/\s/g, ""));
  const value = field.value();
  if (!isOwn(value)) return field.raw;
  const others = value
    .split(",")
    .map((tag) => tag.trim())
    .filter((tag) => KEEPABLE_TAG.test(tag) && !isOwn(tag));
  if (others.length === 0) return undefined;
  return Buffer.from(`X-SES-MESSAGE-TAGS: ${others.join(",\r\n ")}\r\n`);
}

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
