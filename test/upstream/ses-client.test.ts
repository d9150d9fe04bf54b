// The request that goes to SES: what the SDK would send, and signed so that SES takes it.
import { createHash, createHmac } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { createSesClient, type SesClient, type SesEnvelope } from "../../src/upstream/ses/client.ts";
import { neverAborted } from "../support/transmission.ts";

interface Request {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

const SECRET = "a secret";
const region = "eu-west-1";
const envelope: SesEnvelope = {
  Destination: { ToAddresses: ["reader@example.net"] },
  FeedbackForwardingEmailAddress: '"ä \\"quoted"@example.org',
  EmailTags: [{ Name: "mailonce-id", Value: "x" }],
};
let requests: Request[];
let answer: (response: ServerResponse) => void;
let endpoint: string;
let client: SesClient;
const server = createServer((request, response) => {
  const chunks: Buffer[] = [];
  request.on("data", (chunk: Buffer) => chunks.push(chunk));
  request.on("end", () => {
    const { method, url, headers } = request;
    requests.push({ method, url, headers, body: Buffer.concat(chunks) });
    answer(response);
  });
});

beforeEach(async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE");
  vi.stubEnv("AWS_SECRET_ACCESS_KEY", SECRET);
  vi.stubEnv("AWS_SESSION_TOKEN", "a session");
  requests = [];
  answer = (response) => response.end('{"MessageId":"0100"}');
  await once(server.listen(0, "127.0.0.1"), "listening");
  endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}/behind/a/path`;
  client = createSesClient({ region, endpoint });
});
afterEach(async () => {
  client.close();
  server.closeAllConnections();
  await once(server.close(), "close");
  vi.unstubAllEnvs();
});

const send = (raw: Uint8Array) => client.sendEmail(envelope, raw, neverAborted, () => {});
const message = (octets: number): Buffer =>
  Buffer.alloc(octets, "Some text,\r\n\0\xff of no meaning. ", "latin1");

/** By AWS Signature Version 4, from what arrived alone. */
function signatureOf({ method, url, headers, body }: Request): string {
  const hash = (data: string | Buffer): string => createHash("sha256").update(data).digest("hex");
  const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
  const [, scope = "", signed = ""] =
    /Credential=[^/]+\/(.+), SignedHeaders=([^,]+),/.exec(headers.authorization ?? "") ?? [];
  const lines = signed.split(";").map((name) => `${name}:${headers[name]}\n`);
  const canonical = [method, url, "", lines.join(""), signed, hash(body)].join("\n");
  const text = `AWS4-HMAC-SHA256\n${headers["x-amz-date"]}\n${scope}\n${hash(canonical)}`;
  const key = scope.split("/").reduce<string | Buffer>((sofar, part) => hmac(sofar, part), `AWS4${SECRET}`);
  return hmac(key, text).toString("hex");
}

test.each([0, 1, 4_096, 196_608, 196_609, 600_001])("a message of %d octets, signed", async (octets) => {
  const raw = message(octets);
  expect(await send(raw)).toBe("0100");
  const [request] = requests as [Request];
  expect(request.headers.authorization).toContain(`Signature=${signatureOf(request)}`);
  expect(request.headers["x-amz-security-token"]).toBe("a session");
  const { Content, ...rest } = JSON.parse(request.body.toString());
  expect(rest).toEqual(envelope);
  expect(Buffer.from(Content.Raw.Data, "base64").equals(raw)).toBe(true);
});

test("a second differs in what is its own, and nothing of the first is left", async () => {
  await send(message(4_096));
  await send(message(100));
  for (const request of requests) {
    expect(request.headers.authorization).toContain(`Signature=${signatureOf(request)}`);
  }
  expect(requests[1]?.headers["content-length"]).toBe(String(requests[1]?.body.length));
});

test("is what the SDK sends, but for what it says about its own retries", async () => {
  const raw = message(4_096);
  await send(raw);
  const sdk = new SESv2Client({ region, endpoint, maxAttempts: 1 });
  await sdk.send(new SendEmailCommand({ ...envelope, Content: { Raw: { Data: raw } } }));
  sdk.destroy();
  const [ours, theirs] = requests.map(({ headers, body, ...request }) => {
    const {
      authorization,
      "x-amz-date": _date,
      "x-amz-content-sha256": _hash,
      "amz-sdk-invocation-id": _id,
      "amz-sdk-request": _attempts,
      ...others
    } = headers;
    const scope = /Credential=[^,]+/.exec(authorization ?? "")?.[0];
    return { ...request, scope, headers: others, body: JSON.parse(body.toString()) };
  });
  expect(ours).toEqual(theirs);
});

test("follows the clock of SES once it has refused ours", async () => {
  answer = (response) => {
    const date = new Date(Date.now() + 3_600_000).toUTCString();
    response.writeHead(403, { date, "x-amzn-errortype": "InvalidSignatureException" });
    response.end('{"message":"Signature expired"}');
  };
  await expect(send(message(1))).rejects.toMatchObject({ name: "InvalidSignatureException" });
  answer = (response) => response.end('{"MessageId":"0100"}');
  await send(message(1));
  const [before, after] = requests.map(({ headers }) => {
    const [, year, month, day, hour, minute, second] =
      /^(....)(..)(..)T(..)(..)(..)Z$/.exec(String(headers["x-amz-date"])) ?? [];
    return Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  }) as [number, number];
  expect(Math.abs(after - before - 3_600_000)).toBeLessThan(60_000);
});

test("that SES refuses is made once, and the SDK says why it was", async () => {
  answer = (response) => {
    response.writeHead(400, { "x-amzn-errortype": "MessageRejected:http://internal" });
    response.end('{"message":"Email address is not verified."}');
  };
  await expect(send(message(1))).rejects.toMatchObject({
    name: "MessageRejected",
    message: "Email address is not verified.",
    $metadata: { httpStatusCode: 400 },
  });
  expect(requests).toHaveLength(1);
});

test("takes up credentials that come later", async () => {
  vi.stubEnv("AWS_ACCESS_KEY_ID", undefined);
  vi.stubEnv("AWS_CONFIG_FILE", "/nonexistent");
  vi.stubEnv("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent");
  vi.stubEnv("AWS_EC2_METADATA_DISABLED", "true");
  await expect(send(message(1))).rejects.toMatchObject({ name: "CredentialsProviderError" });
  vi.stubEnv("AWS_ACCESS_KEY_ID", "AKIALATER");
  expect(await send(message(1))).toBe("0100");
  expect(requests[0]?.headers.authorization).toContain("AKIALATER");
});
