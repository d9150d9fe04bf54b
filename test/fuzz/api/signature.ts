// Signatures that are wrong, each in another way.
import type { Chance } from "../../crash/chance.ts";
import type { Field } from "../../support/sigv4.ts";
import { mutated } from "../mutate.ts";

type Damage = (fields: Field[], chance: Chance) => Field[];

const changed =
  (change: (value: string, chance: Chance) => string): Damage =>
  (fields, chance) =>
    fields.map(([name, value]) => [name, name === "Authorization" ? change(value, chance) : value]);

/** No control characters, which HTTP refuses before anybody looks at the signature. */
const printable = (octets: Buffer): string => octets.toString("latin1").replace(/[^\t -~]/g, "~");

const DAMAGES: readonly Damage[] = [
  changed((value, chance) => printable(mutated(Buffer.from(value), chance, 1 + chance.below(3)))),
  changed((value, chance) =>
    value.replace(
      /Signature=.*/,
      `Signature=${chance.pick(["", "0".repeat(64), "A".repeat(64), "0".repeat(9_000)])}`,
    ),
  ),
  changed((value, chance) =>
    value.replace(
      /Credential=[^,]*/,
      `Credential=${chance.pick(["", "/", "////", "x/20261128/eu/sqs/aws4_request", "__proto__/20261128/eu/ses/aws4_request"])}`,
    ),
  ),
  changed((value, chance) =>
    value.replace(
      /SignedHeaders=[^,]*/,
      `SignedHeaders=${chance.pick(["", ";", "host", "host;host;x-amz-date", Array(70).fill("a").join(";"), "__proto__"])}`,
    ),
  ),
  changed((_, chance) =>
    chance.pick(["", "Basic dXNlcjpwYXNz", "AWS AKID:signature", "AWS4-HMAC-SHA256", ",=,=,"]),
  ),
  (fields) => fields.filter(([name]) => name !== "Authorization"),
  (fields) => [...fields, ["Origin", "https://evil.example"]],
  (fields, chance) =>
    fields.map(([name, value]) => [
      name,
      name === "X-Amz-Date"
        ? chance.pick(["20000101T000000Z", "x", "", "20261399T000000Z", "99991231T235959Z"])
        : value,
    ]),
  (fields) => [...fields, ["X-Amz-Content-SHA256", "UNSIGNED-PAYLOAD"]],
  (fields) => [...fields, ["X-Amz-Date", "20261128T000000Z"]],
  (fields) => [...fields, ["X-Task-Id", "another-task-12345"]],
];

/** Signed by who should not be. */
export const missigned = (fields: Field[], chance: Chance): Field[] => chance.pick(DAMAGES)(fields, chance);
