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
