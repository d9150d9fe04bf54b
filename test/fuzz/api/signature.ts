// Signs calls as SDKs do (Signature Version 4), and now and then wrongly.
import { createHash, createHmac } from "node:crypto";
import type { Chance } from "../../crash/chance.ts";
import { mutated } from "../mutate.ts";
import type { Call } from "./calls.ts";

export interface Key {
  readonly id: string;
  readonly secret: string;
}

type Field = readonly [name: string, value: string];

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const hmac = (by: string | Buffer, text: string): Buffer => createHmac("sha256", by).update(text).digest();

/** The fields of the request's header, all of them signed. */
export function signed({ method, path, headers, body }: Call, { id, secret }: Key, port: number): Field[] {
  const date = new Date().toISOString().replace(/[-:]|\.\d{3}/g, "");
  const scope = `${date.slice(0, 8)}/eu-west-1/ses/aws4_request`;
  const fields: Field[] = [["Host", `127.0.0.1:${port}`], ["X-Amz-Date", date], ...headers];
  const lines = fields.map(([name, value]) => `${name.toLowerCase()}:${value}`).sort();
  const names = lines.map((line) => line.slice(0, line.indexOf(":"))).join(";");
  const canonical = [method, path, "", ...lines, "", names, sha256(body)].join("\n");
  const text = ["AWS4-HMAC-SHA256", date, scope, sha256(canonical)].join("\n");
  const signature = hmac(scope.split("/").reduce<string | Buffer>(hmac, `AWS4${secret}`), text).toString(
    "hex",
  );
  const credential = `AWS4-HMAC-SHA256 Credential=${id}/${scope}`;
  return [...fields, ["Authorization", `${credential}, SignedHeaders=${names}, Signature=${signature}`]];
}

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
