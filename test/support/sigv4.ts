// Signs calls of SES's API as SDKs do (Signature Version 4).
import { createHash, createHmac } from "node:crypto";

export interface Key {
  readonly id: string;
  readonly secret: string;
}

export type Field = readonly [name: string, value: string];

const sha256 = (data: string | Uint8Array): string => createHash("sha256").update(data).digest("hex");
const hmac = (by: string | Buffer, text: string): Buffer => createHmac("sha256", by).update(text).digest();

export interface Signed {
  readonly method: string;
  readonly path: string;
  readonly headers: readonly Field[];
  readonly body: string | Uint8Array;
}

/** The fields of the request's header, all of them signed. */
export function signed({ method, path, headers, body }: Signed, { id, secret }: Key, port: number): Field[] {
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
