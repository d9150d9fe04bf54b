// Signature Version 4: what AWS's own signer signs is verified, and nothing else.
import { createHash } from "node:crypto";
import { ListContactListsCommand, SESv2Client, SendEmailCommand } from "@aws-sdk/client-sesv2";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Authorization,
  readAuthorization,
  type SignedRequest,
  signatureFault,
} from "../../../src/listeners/ses-api/sigv4.ts";

const NOW = Date.UTC(2026, 10, 28, 12, 0, 0);
const MINUTE_MS = 60_000;
const SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

interface Captured extends SignedRequest {
  readonly authorization: string;
  readonly body: Uint8Array;
}

const digestOf = (body: string | Uint8Array): string => createHash("sha256").update(body).digest("hex");

const mailOf = (subject: string) =>
  new SendEmailCommand({
    Content: { Simple: { Subject: { Data: subject }, Body: { Text: { Data: "Hello  there" } } } },
  });

/** The request that the SDK would send, signed at `at`. */
async function signed(command: SendEmailCommand | ListContactListsCommand, at = NOW): Promise<Captured> {
  let captured:
    | {
        readonly method: string;
        readonly path: string;
        readonly query: Record<string, string>;
        readonly headers: Record<string, string>;
        readonly body?: string;
      }
    | undefined;
  const client = new SESv2Client({
    region: "eu-west-1",
    endpoint: "http://127.0.0.1:2526",
    credentials: { accessKeyId: "MAILONCEABCDEFGH2345", secretAccessKey: SECRET },
    systemClockOffset: at - Date.now(),
    maxAttempts: 1,
    requestHandler: {
      async handle(request: typeof captured) {
        captured = request;
        throw new Error("captured");
      },
    } as never,
  });
  await client.send(command as SendEmailCommand).catch(() => {});
  const { method, path, query, headers, body = "" } = captured as NonNullable<typeof captured>;
  const pairs = Object.entries(query).map(([name, value]) => `${name}=${encodeURIComponent(value)}`);
  const date = headers["x-amz-date"] as string;
  return {
    ...{ method, target: [path, ...(pairs.length > 0 ? [pairs.join("&")] : [])].join("?") },
    ...{
      body: Buffer.from(body),
      bodyDigest: digestOf(body),
      authorization: headers.authorization as string,
    },
    rawHeaders: Object.entries({ ...headers, "X-Amz-Date": date, "x-amz-date": undefined }).flatMap(
      ([name, value]) => (value === undefined ? [] : [name, String(value)]),
    ),
  };
}

const faultOf = (request: SignedRequest & Pick<Captured, "authorization">, secret = SECRET, now = NOW) =>
  signatureFault(request, readAuthorization(request.authorization) as Authorization, secret, now);

const replaced = (rawHeaders: readonly string[], name: string, value: string): string[] =>
  rawHeaders.map((one, at) => (at % 2 === 1 && rawHeaders[at - 1]?.toLowerCase() === name ? value : one));

describe("a request that AWS's SDK has signed", () => {
  test("is right by its secret alone", async () => {
    const request = await signed(mailOf("News"));
    expect(readAuthorization(request.authorization)).toMatchObject({
      ...{ keyId: "MAILONCEABCDEFGH2345", day: "20261128", region: "eu-west-1" },
    });
    expect(faultOf(request)).toBeUndefined();
    expect(faultOf(request, `${SECRET}x`)?.kind).toBe("mismatch");
  });

  test("is right for fifteen minutes, before and after", async () => {
    const request = await signed(mailOf("News"));
    expect(faultOf(request, SECRET, NOW + 14 * MINUTE_MS)).toBeUndefined();
    expect(faultOf(request, SECRET, NOW - 14 * MINUTE_MS)).toBeUndefined();
    expect(faultOf(request, SECRET, NOW + 16 * MINUTE_MS)?.kind).toBe("expired");
    expect(faultOf(request, SECRET, NOW - 16 * MINUTE_MS)?.kind).toBe("expired");
    // Who does not know the secret learns nothing about the clock.
    expect(faultOf(request, "another", NOW + 16 * MINUTE_MS)?.kind).toBe("mismatch");
  });

  test("may have a query, and nothing of its body in it", async () => {
    const request = await signed(new ListContactListsCommand({ PageSize: 10, NextToken: "b+/= a" }));
    expect(request.target).toMatch(/^\/v2\/email\/contact-lists\?.*&/);
    expect(faultOf(request)).toBeUndefined();
    const [path, query = ""] = request.target.split("?");
    expect(
      faultOf({ ...request, target: `${path}?${query.split("&").reverse().join("&")}` }),
    ).toBeUndefined();
    expect(faultOf({ ...request, target: `${path}?${query.replace("10", "11")}` })?.kind).toBe("mismatch");
  });

  test("is wrong when any octet of it is another", async () => {
    const request = await signed(mailOf("News"));
    const body = Buffer.from(request.body);
    fc.assert(
      fc.property(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), (at, by) => {
        const other = Buffer.from(body);
        other[at] = (other[at] as number) ^ by;
        return faultOf({ ...request, bodyDigest: digestOf(other) })?.kind === "mismatch";
      }),
    );
    expect(faultOf({ ...request, method: "PUT" })?.kind).toBe("mismatch");
    expect(faultOf({ ...request, target: `${request.target}?a=b` })?.kind).toBe("mismatch");
    const elsewhere = replaced(request.rawHeaders, "host", "other.example");
    expect(faultOf({ ...request, rawHeaders: elsewhere })?.kind).toBe("mismatch");
    const twice = [...request.rawHeaders, "Host", "127.0.0.1:2526"];
    expect(faultOf({ ...request, rawHeaders: twice })?.kind).toBe("mismatch");
  });

  test("that says that its body is not signed is wrong", async () => {
    const request = await signed(mailOf("News"));
    const said = replaced(request.rawHeaders, "x-amz-content-sha256", "UNSIGNED-PAYLOAD");
    expect(said).not.toEqual(request.rawHeaders);
    expect(faultOf({ ...request, rawHeaders: said })).toEqual({
      kind: "mismatch",
      text: "X-Amz-Content-SHA256 is not the hash of the body",
    });
  });

  test("needs its host and its date signed", async () => {
    const request = await signed(mailOf("News"));
    for (const name of ["host", "x-amz-date"]) {
      const authorization = request.authorization.replace(
        new RegExp(`(SignedHeaders=[^,]*?);?${name}`),
        "$1",
      );
      expect(authorization).not.toBe(request.authorization);
      expect(faultOf({ ...request, authorization })).toEqual({
        kind: "malformed",
        text: `${name} is not signed`,
      });
    }
  });
});

test.each([
  [
    "of another algorithm",
    "AWS4-ECDSA-P256-SHA256 Credential=A/20261128/eu/ses/aws4_request, SignedHeaders=host, Signature=00",
  ],
  ["of a password", "Basic dXNlcjpwYXNz"],
  ["of SigV2", "AWS AKID:signature"],
  [
    "for another service",
    "AWS4-HMAC-SHA256 Credential=A/20261128/eu/sqs/aws4_request, SignedHeaders=host, Signature=" +
      "0".repeat(64),
  ],
  [
    "without a key",
    "AWS4-HMAC-SHA256 Credential=/20261128/eu/ses/aws4_request, SignedHeaders=host, Signature=" +
      "0".repeat(64),
  ],
  [
    "with a short signature",
    "AWS4-HMAC-SHA256 Credential=A/20261128/eu/ses/aws4_request, SignedHeaders=host, Signature=abc",
  ],
  ["that is empty", ""],
])("an Authorization header %s is none", (_what, header) => {
  expect(readAuthorization(header)).toBeUndefined();
});
