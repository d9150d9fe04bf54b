// What a mail may name to SES in its header: by a configuration set, a tenant, a contact list or a tag one mailer could
// send as another, or into another's statistics.
import type { SesNames } from "../message/ses-fields.ts";

/** Of each kind the names that are allowed; undefined: any. They are compared as they are, as SES does. */
export type AllowedSesNames = { readonly [Kind in keyof SesNames]: ReadonlySet<string> | undefined };

const WORDS: { readonly [Kind in keyof SesNames]: string } = {
  configurationSets: "configuration set",
  tenants: "tenant",
  contactLists: "contact list",
  tags: "tag",
};

/** What of it may not be named, for the client; undefined when all may. */
export function forbiddenSesName(allowed: AllowedSesNames, names: SesNames): string | undefined {
  for (const kind of Object.keys(WORDS) as (keyof SesNames)[]) {
    const may = allowed[kind];
    if (may !== undefined && names[kind].some((name) => !may.has(name))) return WORDS[kind];
  }
  return undefined;
}
