// What the API of SES refuses: with SES's own error, so that an SDK tries again just where that helps.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { run } from "../support/process.ts";
import { ask, openSite, rawCall, SEND, type Told, test } from "./place.ts";

const MAIL = "From: App <app@sender.example>\r\nTo: a@example.com\r\nSubject: News\r\n\r\nHello.\r\n";

const form = (fields: Readonly<Record<string, string>>): string =>
  String(new URLSearchParams({ Version: "2010-12-01", ...fields }));

/** Status, code and text of an error of either version. */
function errorIn({ status, headers, body }: Told): [number, string, string] {
  if (headers["content-type"] !== "text/xml") {
    const { __type: type, message } = JSON.parse(body);
    expect(headers["x-amzn-errortype"]).toBe(type);
    return [status, type, message];
  }
  const [, type, code = "", text = ""] =
    /^<ErrorResponse xmlns="[^"]+"><Error><Type>(\w+)<\/Type><Code>(\w+)<\/Code><Message>([^<]*)<\/Message><\/Error><RequestId>[\w-]+<\/RequestId><\/ErrorResponse>$/.exec(
      body,
    ) ?? [];
  expect(type).toBe(status >= 500 ? "Receiver" : "Sender");
  return [status, code, text];
}

describe("version 2", () => {
  const simple = (more: object) => ({
    FromEmailAddress: "app@sender.example",
    Destination: { ToAddresses: ["a@example.com"] },
    Content: { Simple: { Subject: { Data: "News" }, Body: { Text: { Data: "Hello." } } } },
    ...more,
  });

  test.for([
    ["no JSON", "{", "BadRequestException", "the body is not JSON"],
    ["no content", "{}", "BadRequestException", /^Content: /],
    [
      "neither content",
      JSON.stringify({ Content: {} }),
      "BadRequestException",
      "Content has neither Raw nor Simple",
    ],
    [
      "a template",
      JSON.stringify({ Content: { Template: { TemplateName: "x" } } }),
      "BadRequestException",
      /render the mail/,
    ],
    ["no base64", JSON.stringify({ Content: { Raw: { Data: "a b" } } }), "BadRequestException", /not base64/],
    [
      "what it does not know",
      JSON.stringify(simple({ EndpointId: "x" })),
      "BadRequestException",
      /does not know EndpointId/,
    ],
    [
      "no sender",
      JSON.stringify(simple({ FromEmailAddress: null })),
      "BadRequestException",
      /names who sends it|FromEmailAddress is missing/,
    ],
    [
      "no recipient",
      JSON.stringify(simple({ Destination: {} })),
      "BadRequestException",
      "no recipient is named",
    ],
    [
      "a bad recipient",
      JSON.stringify(simple({ Destination: { ToAddresses: ["nobody"] } })),
      "BadRequestException",
      /recipient/,
    ],
    [
      "a recipient with an angle bracket",
      JSON.stringify(simple({ Destination: { ToAddresses: ['"a>b"@d.example'] } })),
      "BadRequestException",
      /the recipient has an angle bracket/,
    ],
    [
      "two recipients in one",
      JSON.stringify(simple({ Destination: { ToAddresses: ["a@b.example, c@d.example"] } })),
      "BadRequestException",
      "a recipient is not one mail address",
    ],
    [
      "a tag of two lines",
      JSON.stringify(simple({ EmailTags: [{ Name: "a", Value: "b\r\nBcc: c@d.example" }] })),
      "BadRequestException",
      /a tag's value/,
    ],
    [
      "a configuration set of two lines",
      JSON.stringify(simple({ ConfigurationSetName: "a\r\nBcc: c@d.example" })),
      "BadRequestException",
      /ConfigurationSetName/,
    ],
    [
      "a header field of two lines",
      JSON.stringify({
        ...simple({}),
        Content: {
          Simple: {
            Subject: { Data: "x" },
            Body: { Text: { Data: "x" } },
            Headers: [{ Name: "X-A", Value: "b\r\nBcc: c@d.example" }],
          },
        },
      }),
      "BadRequestException",
      /Headers/,
    ],
    [
      "a task that is empty",
      JSON.stringify(simple({ EmailTags: [{ Name: "task-id", Value: "" }] })),
      "MessageRejected",
      /X-Task-Id is empty/,
    ],
    [
      "two tasks",
      JSON.stringify(
        simple({
          EmailTags: [
            { Name: "task-id", Value: "a-1234567" },
            { Name: "task-id", Value: "b-1234567" },
          ],
        }),
      ),
      "MessageRejected",
      /several times/,
    ],
    [
      "both contents",
      JSON.stringify(
        simple({ Content: { Raw: { Data: "" }, Simple: { Subject: { Data: "x" }, Body: {} } } }),
      ),
      "BadRequestException",
      "Content has both Raw and Simple",
    ],
    [
      "a header field that the call has a parameter for",
      JSON.stringify(
        simple({
          Content: {
            Simple: {
              Subject: { Data: "x" },
              Body: { Text: { Data: "x" } },
              Headers: [{ Name: "Bcc", Value: "c@d.example" }],
            },
          },
        }),
      ),
      "BadRequestException",
      /is not for Headers to set/,
    ],
    [
      "more recipients than one mail may have",
      JSON.stringify(simple({ Destination: { ToAddresses: Array(1_001).fill("a@example.com") } })),
      "MessageRejected",
      "more than 1000 recipients",
    ],
    [
      "a name without end that it does not know",
      JSON.stringify(simple({ ["x".repeat(100_000)]: 1 })),
      "BadRequestException",
      /^.{0,200}$/,
    ],
    // Each of them must not hold up the others.
    [
      "line ends without end in base64",
      JSON.stringify({ Content: { Raw: { Data: `${"\n".repeat(1_000_000)}!` } } }),
      "BadRequestException",
      /not base64/,
    ],
    [
      "values without end",
      `{"EmailTags":[${"{},".repeat(1_000_000)}{}]}`,
      "BadRequestException",
      "the call has too many parts",
    ],
    [
      "fields without end",
      rawCall(`${"a:\n".repeat(1_000_000)}\nHello.`, { FromEmailAddress: "app@sender.example" }),
      "MessageRejected",
      /^header with more than 2000 fields$/,
    ],
    [
      "a mail of a library that only asks",
      rawCall("From: <invalid@invalid>\r\nTo: <invalid@invalid>\r\n Subject: Invalid\r\n\r\nInvalid"),
      "MessageRejected",
      /"invalid"/,
    ],
    [
      "a placeholder as task",
      rawCall(`X-Task-Id: None\r\n${MAIL}`),
      "MessageRejected",
      /^X-Task-Id .* names nothing$/,
    ],
  ] as const)("%s", async ([, body, code, text], { site }) => {
    const [status, found, said] = errorIn(await ask(site.port, { path: SEND, body }));
    expect([status, found]).toEqual([400, code]);
    expect(said).toMatch(text);
  });

  test("another mail under a known id", async ({ site }) => {
    const headers = { "X-Task-Id": randomUUID() };
    await ask(site.port, { path: SEND, headers, body: rawCall(MAIL) });
    const other = rawCall(MAIL.replace("News", "Other news"));
    expect(errorIn(await ask(site.port, { path: SEND, headers, body: other }))).toEqual([
      400,
      "MessageRejected",
      expect.stringContaining("set the header field X-Task-Part"),
    ]);
  });

  test("what only SES has", async ({ site }) => {
    const told = await ask(site.port, { method: "GET", path: "/v2/email/identities" });
    expect(errorIn(told)).toEqual([
      400,
      "BadRequestException",
      "mailonce has no GET /v2/email/identities; ask SES itself",
    ]);
    const bulk = await ask(site.port, { path: "/v2/email/outbound-bulk-emails", body: "{}" });
    expect(errorIn(bulk)[2]).toContain("render the mail");
  });
});

describe("version 1", () => {
  test.for([
    ["no action", {}, "InvalidAction", "mailonce has no such action; ask SES itself"],
    [
      "what only SES has",
      { Action: "VerifyEmailIdentity" },
      "InvalidAction",
      "mailonce has no VerifyEmailIdentity; ask SES itself",
    ],
    [
      "the name of a method of every object",
      { Action: "constructor" },
      "InvalidAction",
      "mailonce has no constructor; ask SES itself",
    ],
    ["a template", { Action: "SendTemplatedEmail" }, "TemplateDoesNotExist", /render the mail/],
    ["no mail", { Action: "SendRawEmail" }, "InvalidParameterValue", "RawMessage.Data is missing"],
    [
      "what it does not know",
      { Action: "SendRawEmail", SourceArn: "arn:x" },
      "InvalidParameterValue",
      /does not know SourceArn/,
    ],
    [
      "a list with a gap",
      {
        Action: "SendRawEmail",
        "Destinations.member.1": "a@b.example",
        "Destinations.member.3": "c@b.example",
      },
      "InvalidParameterValue",
      "Destinations.member.2 is missing",
    ],
    ["a tag that is markup", { Action: "SendEmail", Source: "<&>" }, "InvalidParameterValue", /./],
    [
      "a placeholder as task",
      {
        Action: "SendRawEmail",
        "RawMessage.Data": Buffer.from(`X-Task-Id: None\r\n${MAIL}`).toString("base64"),
      },
      "MessageRejected",
      /names nothing$/,
    ],
  ] as const)("%s", async ([, fields, code, text], { site }) => {
    const [status, found, said] = errorIn(await ask(site.port, { body: form(fields) }));
    expect([status, found]).toEqual([400, code]);
    expect(said).toMatch(text);
  });

  test("a parameter that is given twice", async ({ site }) => {
    const told = await ask(site.port, { body: "Action=SendEmail&Source=a%40b.example&Source=c%40b.example" });
    expect(errorIn(told)).toEqual([400, "InvalidParameterValue", "Source is given twice"]);
    const many = await ask(site.port, { body: `Action=SendEmail${"&x=y".repeat(100_000)}` });
    expect(errorIn(many)).toEqual([400, "InvalidParameterValue", "the call has too many parameters"]);
  });

  test("base64 whose plus signs were not encoded is what it says", async ({ site }) => {
    const mail = `X-Task-Id: ${randomUUID()}\r\n${MAIL.replace("Hello.", "\xfb\xef\xbe >>> ???")}`;
    const data = Buffer.from(mail, "latin1").toString("base64");
    expect(data).toContain("+");
    const body = `Action=SendRawEmail&RawMessage.Data=${data.replaceAll("/", "%2F").replaceAll("=", "%3D")}`;
    const told = await ask(site.port, { body });
    expect(told.status).toBe(200);
    const [, id = ""] = /<MessageId>([^<]+)</.exec(told.body) ?? [];
    await site.gateway.logged("transmission.relayed", 1, ({ messageId }) => messageId === `<${id}>`);
    const mails = site.upstream.taken.map(({ octets }) => Buffer.from(octets).toString("latin1"));
    expect(mails.some((one) => one.includes("\xfb\xef\xbe >>> ???"))).toBe(true);
  });
});

describe("who may not ask", () => {
  test.for([
    ["nobody", { Authorization: "" }, 403, "IncompleteSignatureException"],
    ["a user with a password", { Authorization: "Basic dXNlcjpwYXNz" }, 403, "IncompleteSignatureException"],
  ] as const)("%s", async ([, headers, status, code], { site }) => {
    const told = await ask(site.port, { path: SEND, headers, body: rawCall(MAIL) });
    expect(errorIn(told).slice(0, 2)).toEqual([status, code]);
  });

  test("a web page, which can send a form to this machine", async ({ site }) => {
    const body = form({ Action: "SendRawEmail", "RawMessage.Data": Buffer.from(MAIL).toString("base64") });
    const before = site.upstream.taken.length;
    const told = await ask(site.port, { headers: { Origin: "https://evil.example" }, body });
    expect(errorIn(told)).toEqual([403, "AccessDenied", "web pages may not call this API"]);
    expect(site.upstream.taken).toHaveLength(before);
  });

  test("another network, where no key can be checked", async ({ place }) => {
    const { port } = await openSite(place, { ACCESS_TRUSTED_NETWORKS: "10.0.0.0/8" });
    const told = await ask(port, { path: SEND, body: rawCall(MAIL) });
    expect(errorIn(told)).toEqual([403, "AccessDeniedException", expect.stringContaining("keys file")]);
  });
});

test("what the upstream says is the answer, where clients wait for it", async ({ place }) => {
  const { port, upstream } = await openSite(place, { SMTP_REPLY: "relayed" });
  const send = () => ask(port, { path: SEND, headers: { "X-Task-Id": randomUUID() }, body: rawCall(MAIL) });
  expect((await send()).status).toBe(200);
  upstream.play("refuse-rcpt-5");
  expect(errorIn(await send())).toEqual([
    400,
    "MessageRejected",
    expect.stringContaining("refused by the upstream for a@example.com"),
  ]);
  upstream.play("refuse-rcpt-4");
  expect(errorIn(await send())).toEqual([503, "ServiceUnavailableException", expect.any(String)]);
});

test("a gateway that drains takes no more, and SDKs try again elsewhere or later", async ({ place }) => {
  const { port, upstream, gateway } = await openSite(place);
  // Something waits, so the drain does not end at once.
  upstream.play("refuse-rcpt-4");
  const send = () => ask(port, { path: SEND, body: rawCall(MAIL) });
  expect((await send()).status).toBe(200);
  await gateway.logged("transmission.refused");
  const drain = run(["drain", "--until-empty", "--config", join(place.folder, "mailonce.toml")], {
    DATA_DIR: place.data,
  });
  await gateway.logged("operator.draining");
  expect(errorIn(await send())).toEqual([
    503,
    "ServiceUnavailableException",
    "this gateway takes no more mail, try another one or later",
  ]);
  await gateway.kill();
  await drain;
});

test("a request whose length is not said, or that is too large, is refused before it is received", async ({
  place,
}) => {
  const { port } = await openSite(place, { SMTP_SIZE_MAX_BYTES: 100_000 });
  const chunked = await ask(port, {
    path: SEND,
    headers: { "Transfer-Encoding": "chunked", "Content-Length": undefined as never },
    body: rawCall(MAIL),
  }).catch(() => undefined);
  expect(chunked?.status ?? 400).toBe(400);
  const large = await ask(port, { path: SEND, body: rawCall(MAIL + "x".repeat(120_000)) });
  expect(errorIn(large)).toEqual([400, "MessageRejected", "message larger than 100000 octets"]);
  const huge = await ask(port, { path: SEND, body: rawCall(MAIL + "x".repeat(1_000_000)) });
  expect(errorIn(huge)).toEqual([
    400,
    "MessageRejected",
    expect.stringMatching(/^the request is larger than \d+ octets$/),
  ]);
});
