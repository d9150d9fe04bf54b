// What single values of the configuration look like, each with the complaint when one does not.
import { z } from "zod";
import { canonicalDomain } from "../address/domain.ts";
import { parseNetwork } from "../address/networks.ts";
import { addressPatternFault } from "../address/pattern.ts";
import { canonicalRecipient } from "../address/recipient.ts";
import { canonicalNamespace } from "../identity/task.ts";
import { USER_NAME } from "../identity/user-name.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** "30d", "2h", "90s", "250ms" → milliseconds. A bare number would leave its unit to a guess. */
export const duration = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, 'expected a duration such as "30d", "2h", "90s" or "250ms"')
  .transform((text) => {
    const [, amount, unit] = /^(\d+)([a-z]+)$/.exec(text) as unknown as [
      string,
      string,
      keyof typeof UNIT_MS,
    ];
    return Number(amount) * UNIT_MS[unit];
  })
  .refine((ms) => ms > 0, "must be longer than nothing");

/** As `duration`, or "0" → 0. */
export const durationOrNone = z.union([z.literal("0").transform(() => 0), duration], {
  error: 'expected a duration such as "30d", "2h", "90s" or "250ms", or "0"',
});

/**
 * The three policies, and the two words that meant them before. Those stay as given, for a warning at the
 * start.
 */
export const envidPolicy = z.preprocess(
  (value) => (value === "true" ? true : value === "false" ? false : value),
  z.union([z.enum(["uuid", "any", "off"]), z.boolean()], {
    error: 'expected "uuid", "any" or "off"',
  }),
);

/** RFC 5322 §3.6.8 field-name. */
export const fieldName = z
  .string()
  .regex(/^[\x21-\x39\x3b-\x7e]{1,76}$/, "expected the name of a header field, such as X-Task-Id");

export const text = z.string().min(1, "must not be empty");
/** As in Host, without a port. */
export const hostName = z
  .string()
  .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, "expected a host name, without a port")
  .transform((name) => name.toLowerCase());
export const port = z.int().min(1).max(65_535);
export const count = z.int().min(1);
/** In the form that identity gives it, so that the gateway and `mailonce id` agree. */
export const namespace = z.string().transform((value, context) => {
  const canonical = canonicalNamespace(value);
  if (canonical.ok) return canonical.namespace;
  context.addIssue({ code: "custom", message: canonical.fault });
  return z.NEVER;
});

export const MEBIBYTE = 1024 * 1024;

/** In the form that the domain of a sender has. */
export const domain = z.string().transform((value, context) => {
  const canonical = canonicalDomain(value);
  if (canonical !== undefined) return canonical;
  context.addIssue({ code: "custom", message: "expected a domain" });
  return z.NEVER;
});

/** An IP address or a network in CIDR notation. */
export const network = z.string().superRefine((value, context) => {
  const parsed = parseNetwork(value);
  if (!parsed.ok) context.addIssue({ code: "custom", message: parsed.fault });
});

/** A user's name: it becomes the namespace, and comes before a colon in the users file. */
export const userName = z
  .string()
  .regex(USER_NAME, "a user's name has 1 to 255 printable ASCII characters, no colon");

/** One mailbox, all of a domain, or all below it; "<>" is the null reverse-path. */
export const addressPattern = z.string().superRefine((value, context) => {
  const fault = addressPatternFault(value);
  if (fault !== undefined) context.addIssue({ code: "custom", message: fault });
});

/** A domain, or all below it. */
export const domainPattern = addressPattern.refine(
  (value) => !value.includes("@") && value !== "<>",
  'expected a domain, such as "example.com" or "*.example.com"',
);

/** One address in ASCII, as in a header field. */
export const mailboxAddress = z.string().transform((value, context) => {
  const canonical = canonicalRecipient(value);
  const isPlain =
    canonical.ok && canonical.recipient.includes("@") && /^[\x21-\x7e]+$/.test(canonical.recipient);
  if (canonical.ok && isPlain) return canonical.recipient;
  context.addIssue({ code: "custom", message: 'expected an address, such as "postmaster@example.com"' });
  return z.NEVER;
});
