// A gateway that speaks the API of SES, with an upstream that keeps what it took.
import { writeFileSync } from "node:fs";
import { request } from "node:http";
import { join } from "node:path";
import { type Place, smtpAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, LogLine, Settings } from "../support/process.ts";
import type { ScriptedSmtp } from "../support/scripted-smtp.ts";
import { signed } from "../support/sigv4.ts";

export interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  /** Of all listeners, in the order of the file. */
  readonly ports: readonly number[];
  /** Of the API. */
  readonly port: number;
  readonly url: string;
}

/** @param more of the configuration file, below its listeners */
export async function openSite(place: Place, settings: Settings = {}, more = ""): Promise<Site> {
  const upstream = await place.smtp({ keepContents: true });
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(file, `[[listeners]]\nport = 0\n[[listeners]]\nprotocol = "ses-api"\nport = 0\n${more}`);
  const gateway = await place.start({
    ...{ CONFIG: file, LOG_ADDRESSES: "true" },
    ...{ ...smtpAt(upstream.port), ...settings },
  });
  const { listeners } = gateway.said("gateway.listening")[0] as LogLine;
  const ports = (listeners as string[]).map((address) => Number(address.split(":").at(-1)));
  const port = ports[1] as number;
  return { gateway, upstream, ports, port, url: `http://127.0.0.1:${port}` };
}

/** `site` is there once for all tests of the file that take it. */
export const test = testWithPlace.extend("site", { scope: "file" }, ({ shared }) => openSite(shared));

/** What a client is told by its surroundings, and so by none of its own lines. */
export const surroundings = ({ url }: Pick<Site, "url">): Record<string, string> => ({
  AWS_ENDPOINT_URL_SES: url,
  AWS_ENDPOINT_URL_SESV2: url,
  AWS_REGION: "eu-west-1",
  AWS_DEFAULT_REGION: "eu-west-1",
  AWS_ACCESS_KEY_ID: "AKIAIOSFODNN7EXAMPLE",
  AWS_SECRET_ACCESS_KEY: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
});

export interface Asked {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
  /** Signs the request so. */
  readonly key?: { readonly id: string; readonly secret: string };
}

export interface Told {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

/** Of no keys file. */
export const NOBODY = { id: "AKIAIOSFODNN7EXAMPLE", secret: "nobody's" };

/** One request as it is, signed unless it says otherwise by an Authorization of its own. */
export function ask(
  port: number,
  { method = "POST", path = "/", headers = {}, body = "", key = NOBODY }: Asked,
): Promise<Told> {
  const authorized =
    headers.Authorization === undefined ? sign({ method, path, body, key, port, headers }) : {};
  return new Promise((resolve, reject) => {
    const all = { "Content-Length": String(Buffer.byteLength(body)), ...authorized, ...headers };
    const sent = request({ port, host: "127.0.0.1", method, path, headers: all }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("end", () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: text }),
      );
    });
    sent.on("error", reject);
    sent.end(body);
  });
}

/** The header's fields of Signature Version 4. */
export function sign({
  method,
  path,
  body,
  key,
  port,
  headers = {},
}: Required<Omit<Asked, "headers">> & Pick<Asked, "headers"> & { port: number }) {
  const own = Object.entries(headers).filter(([name]) => /^x-task-/i.test(name));
  const fields = signed({ method, path, headers: own, body }, key, port);
  return Object.fromEntries(fields) as Record<"Host" | "X-Amz-Date" | "Authorization", string>;
}

export const SEND = "/v2/email/outbound-emails";

/** The body of SendEmail of version 2 with this mail. */
export const rawCall = (mail: string, more: object = {}): string =>
  JSON.stringify({ Content: { Raw: { Data: Buffer.from(mail).toString("base64") } }, ...more });

/** What the upstream took, with the lines of the header unfolded. */
export const mailsAt = ({ upstream }: Pick<Site, "upstream">) =>
  upstream.taken.map(({ octets, recipients }) => ({
    to: recipients,
    content: Buffer.from(octets)
      .toString("latin1")
      .replace(/\r\n(?=[ \t])/g, ""),
  }));
