// Version 2 of the API of SES: REST with JSON. Shapes and names are those of the model "sesv2" of the AWS SDKs.
import { z } from "zod";
import { bufferOf } from "../../runtime/buffer-view.ts";
import {
  CallError,
  checkedName,
  type Done,
  decodeBase64,
  ERRORS,
  type HttpAnswer,
  type MailCall,
  type SimpleContent,
  shown,
  type Version,
} from "./call.ts";

const SEND = "/v2/email/outbound-emails";
const BULK = "/v2/email/outbound-bulk-emails";
const ACCOUNT = "/v2/email/account";

const part = z.strictObject({ Data: z.string(), Charset: z.string().nullish() });
const addresses = z.array(z.string()).nullish();
/** What is of the message's form, or has a parameter of its own. */
const NOT_A_HEADER =
  /^(?:from|sender|to|cc|bcc|reply-to|subject|date|return-path|mime-version|content-.*|received|resent-.*|dkim-signature)$/i;

/** RFC 5322 §2.2; a value that ends a line would begin another field. */
const header = z.strictObject({
  Name: z
    .string()
    .regex(/^[!-9;-~]{1,126}$/)
    .refine((name) => !NOT_A_HEADER.test(name), "is not for Headers to set"),
  Value: z.string().regex(/^[^\r\n]*$/),
});
const attachment = z.strictObject({
  RawContent: z.string(),
  FileName: z.string(),
  ContentDescription: z.string().nullish(),
  ContentDisposition: z.enum(["ATTACHMENT", "INLINE"]).nullish(),
  ContentId: z.string().nullish(),
  ContentTransferEncoding: z.string().nullish(),
  ContentType: z.string().nullish(),
});
const attachments = z.array(attachment).nullish();

const schema = z.strictObject({
  FromEmailAddress: z.string().nullish(),
  FeedbackForwardingEmailAddress: z.string().nullish(),
  Destination: z
    .strictObject({ ToAddresses: addresses, CcAddresses: addresses, BccAddresses: addresses })
    .nullish(),
  ReplyToAddresses: addresses,
  Content: z.strictObject({
    Raw: z.strictObject({ Data: z.string() }).nullish(),
    Simple: z
      .strictObject({
        Subject: part,
        Body: z.strictObject({ Text: part.nullish(), Html: part.nullish() }),
        Headers: z.array(header).nullish(),
        Attachments: attachments,
      })
      .nullish(),
    Template: z.unknown().optional(),
  }),
  EmailTags: z.array(z.strictObject({ Name: z.string(), Value: z.string() })).nullish(),
  ConfigurationSetName: z.string().nullish(),
  ListManagementOptions: z
    .strictObject({ ContactListName: z.string(), TopicName: z.string().nullish() })
    .nullish(),
  TenantName: z.string().nullish(),
});

const json = (status: number, requestId: string, body: object, code?: string): HttpAnswer => ({
  status,
  headers: {
    "Content-Type": "application/json",
    "x-amzn-RequestId": requestId,
    ...(code === undefined ? {} : { "x-amzn-ErrorType": code }),
  },
  body: JSON.stringify(body),
});

export const v2: Version = {
  read(method, path, body) {
    if (method === "GET" && path === ACCOUNT) return { kind: "quota" };
    if (method === "POST" && path === SEND) return { kind: "send", mail: mailOf(body) };
    if (path === BULK) throw new CallError("template", NO_TEMPLATES);
    throw new CallError("unoffered", `mailonce has no ${method} ${shown(path)}; ask SES itself`);
  },

  done(done, requestId) {
    return json(200, requestId, bodyOf(done));
  },

  failed({ kind, message }, requestId) {
    const [status, code] = ERRORS[kind].v2;
    return json(status, requestId, { __type: code, message }, code);
  },
};

const NO_TEMPLATES =
  "mailonce does not have SES's templates: render the mail, and send it with Content.Simple or Content.Raw";

function bodyOf(done: Done): object {
  switch (done.kind) {
    case "sent":
      return { MessageId: done.messageId };
    case "quota":
      return {
        DedicatedIpAutoWarmupEnabled: false,
        EnforcementStatus: "HEALTHY",
        ProductionAccessEnabled: true,
        SendingEnabled: true,
        SendQuota: {
          Max24HourSend: done.quota.max,
          MaxSendRate: done.quota.perSecond,
          SentLast24Hours: done.quota.sent,
        },
      };
    case "statistics":
      return {};
  }
}

function parsed(body: Uint8Array): z.output<typeof schema> {
  if (hasTooManyParts(body)) throw new CallError("invalid", "the call has too many parts");
  let value: unknown;
  try {
    value = JSON.parse(bufferOf(body).toString("utf8"));
  } catch {
    throw new CallError("invalid", "the body is not JSON");
  }
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue?.path.join(".") ?? "";
  const unknown = issue?.code === "unrecognized_keys" ? issue.keys.join(", ") : undefined;
  throw new CallError(
    "invalid",
    unknown === undefined
      ? `${where || "the body"}: ${issue?.message}`
      : `mailonce does not know ${shown([where, unknown].filter(Boolean).join("."))}; send this mail to SES itself`,
  );
}

/** A mail to a thousand recipients with fifty tags has two thousand. Each costs time, and memory when it is wrong. */
const PARTS_MAX = 10_000;

const [QUOTE, COMMA, BRACKET, BACKSLASH, BRACE] = [0x22, 0x2c, 0x5b, 0x5c, 0x7b];

/** Counts the values of the JSON without parsing it. A text is passed over by `indexOf`, as most of a mail is one. */
function hasTooManyParts(body: Uint8Array): boolean {
  let parts = 0;
  let texts = 0;
  for (let at = 0; at < body.length; at++) {
    const octet = body[at];
    if (octet === BACKSLASH) at++;
    else if (octet === COMMA || octet === BRACE || octet === BRACKET) parts++;
    else if (octet === QUOTE) {
      texts++;
      at = endOfText(body, at + 1);
      if (at < 0) return false;
    }
    // JSON has no more than a name and a value for each part.
    if (parts > PARTS_MAX || texts > 2 * PARTS_MAX + 1) return true;
  }
  return false;
}

/** Where the quote is that ends it; -1 where none does. */
function endOfText(body: Uint8Array, from: number): number {
  for (let quote = body.indexOf(QUOTE, from); quote >= 0; quote = body.indexOf(QUOTE, quote + 1)) {
    let escapes = quote;
    while (escapes > from && body[escapes - 1] === BACKSLASH) escapes--;
    if ((quote - escapes) % 2 === 0) return quote;
  }
  return -1;
}

function mailOf(body: Uint8Array): MailCall {
  const call = parsed(body);
  const { Raw, Simple, Template } = call.Content;
  if (Template !== undefined && Template !== null) throw new CallError("template", NO_TEMPLATES);
  if (!Raw && !Simple) throw new CallError("invalid", "Content has neither Raw nor Simple");
  if (Raw && Simple) throw new CallError("invalid", "Content has both Raw and Simple");
  const list = call.ListManagementOptions ?? undefined;
  return {
    from: call.FromEmailAddress || undefined,
    reversePath: call.FeedbackForwardingEmailAddress ?? undefined,
    to: call.Destination?.ToAddresses ?? [],
    cc: call.Destination?.CcAddresses ?? [],
    bcc: call.Destination?.BccAddresses ?? [],
    replyTo: call.ReplyToAddresses ?? [],
    content: Raw
      ? { kind: "raw", octets: decodeBase64("Content.Raw.Data", Raw.Data) }
      : simpleOf(Simple as NonNullable<typeof Simple>),
    tags: (call.EmailTags ?? []).map(({ Name, Value }) => ({ name: Name, value: Value })),
    configurationSet: named("ConfigurationSetName", call.ConfigurationSetName),
    tenant: named("TenantName", call.TenantName),
    list: list && {
      name: checkedName("ContactListName", list.ContactListName),
      topic: named("TopicName", list.TopicName),
    },
  };
}

const named = (what: string, name: string | null | undefined): string | undefined =>
  name === null || name === undefined ? undefined : checkedName(what, name);

const simpleOf = ({
  Subject,
  Body,
  Headers,
  Attachments,
}: NonNullable<z.output<typeof schema>["Content"]["Simple"]>): SimpleContent => ({
  kind: "simple",
  subject: Subject.Data,
  text: Body.Text?.Data,
  html: Body.Html?.Data,
  headers: (Headers ?? []).map(({ Name, Value }) => ({ name: Name, value: Value })),
  attachments: (Attachments ?? []).map((one) => ({
    content: decodeBase64("Attachments.RawContent", one.RawContent),
    fileName: one.FileName,
    contentType: one.ContentType ?? undefined,
    inline: one.ContentDisposition === "INLINE",
    contentId: one.ContentId ?? undefined,
    description: one.ContentDescription ?? undefined,
  })),
});
