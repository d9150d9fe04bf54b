// Version 1 of the API of SES: a form with an Action, and XML. Shapes and names are those of the model "email" of the AWS SDKs.
import { bufferOf } from "../../runtime/buffer-view.ts";
import {
  type Call,
  CallError,
  checkedName,
  type Done,
  decodeBase64,
  ERRORS,
  type HttpAnswer,
  type MailCall,
  type NameValue,
  type Version,
} from "./call.ts";
import { type Form, formOf, parametersOf } from "./form.ts";

const NAMESPACE = "http://ses.amazonaws.com/doc/2010-12-01/";

/** An action, and what its answer is called. */
const ACTIONS: Readonly<Record<string, (form: Form) => Call>> = {
  SendEmail: (form) => ({ kind: "send", mail: simpleMail(form) }),
  SendRawEmail: (form) => ({ kind: "send", mail: rawMail(form) }),
  GetSendQuota: () => ({ kind: "quota" }),
  GetSendStatistics: () => ({ kind: "statistics" }),
};

const TEMPLATED: ReadonlySet<string> = new Set(["SendTemplatedEmail", "SendBulkTemplatedEmail"]);

const xml = (status: number, requestId: string, body: string): HttpAnswer => ({
  status,
  headers: { "Content-Type": "text/xml", "x-amzn-RequestId": requestId },
  body,
});

export const v1: Version = {
  read(method, _path, body) {
    if (method !== "POST") throw new CallError("unoffered", "version 1 of the API is asked with POST");
    const parameters = parametersOf(bufferOf(body).toString("utf8"));
    const action = parameters.find(([name]) => name === "Action")?.[1] ?? "";
    if (TEMPLATED.has(action)) {
      throw new CallError(
        "template",
        "mailonce does not have SES's templates: render the mail, and send it with SendEmail or SendRawEmail",
      );
    }
    const read = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
    if (read === undefined) {
      const what = /^[A-Za-z]{1,64}$/.test(action) ? `no ${action}` : "no such action";
      throw new CallError("unoffered", `mailonce has ${what}; ask SES itself`);
    }
    return read(formOf(parameters));
  },

  done(done, requestId) {
    const [action, result] = resultOf(done);
    return xml(
      200,
      requestId,
      `<${action}Response xmlns="${NAMESPACE}"><${action}Result>${result}</${action}Result>` +
        `<ResponseMetadata><RequestId>${requestId}</RequestId></ResponseMetadata></${action}Response>`,
    );
  },

  failed({ kind, message }, requestId) {
    const [status, code] = ERRORS[kind].v1;
    const type = status >= 500 ? "Receiver" : "Sender";
    return xml(
      status,
      requestId,
      `<ErrorResponse xmlns="${NAMESPACE}"><Error><Type>${type}</Type><Code>${code}</Code>` +
        `<Message>${escaped(message)}</Message></Error><RequestId>${requestId}</RequestId></ErrorResponse>`,
    );
  },
};

function resultOf(done: Done): [action: string, result: string] {
  switch (done.kind) {
    case "sent":
      return [
        done.content === "raw" ? "SendRawEmail" : "SendEmail",
        `<MessageId>${escaped(done.messageId)}</MessageId>`,
      ];
    case "quota": {
      const { max, sent, perSecond } = done.quota;
      return [
        "GetSendQuota",
        `<Max24HourSend>${max}</Max24HourSend><MaxSendRate>${perSecond}</MaxSendRate>` +
          `<SentLast24Hours>${sent}</SentLast24Hours>`,
      ];
    }
    case "statistics":
      return ["GetSendStatistics", "<SendDataPoints/>"];
  }
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Text of an element: what is not a character of XML 1.0 is left out. */
const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (one) => ENTITIES[one] ?? "").replace(/[^\t\n\r -\uFFFD]/g, "");

const members = ({ lists }: Form, list: string): string[] =>
  (lists.get(list) ?? []).map((member) => member.get("") ?? "");

const tagsOf = ({ lists }: Form): NameValue[] =>
  (lists.get("Tags") ?? []).map((member) => ({
    name: member.get("Name") ?? "",
    value: member.get("Value") ?? "",
  }));

const optional = ({ values }: Form, key: string): string | undefined => values.get(key);

const common = (form: Form): Pick<MailCall, "from" | "tags" | "configurationSet"> => {
  const set = optional(form, "ConfigurationSetName");
  return {
    from: optional(form, "Source") || undefined,
    tags: tagsOf(form),
    configurationSet: set === undefined ? undefined : checkedName("ConfigurationSetName", set),
  };
};

function rawMail(form: Form): MailCall {
  const data = optional(form, "RawMessage.Data");
  if (data === undefined) throw new CallError("invalid", "RawMessage.Data is missing");
  return {
    ...common(form),
    to: members(form, "Destinations"),
    ...{ cc: [], bcc: [], replyTo: [] },
    // A plus sign that was not encoded is read as a space in a form.
    content: { kind: "raw", octets: decodeBase64("RawMessage.Data", data.replaceAll(" ", "+")) },
  };
}

function simpleMail(form: Form): MailCall {
  const from = optional(form, "Source");
  if (from === undefined) throw new CallError("invalid", "Source is missing");
  return {
    ...common(form),
    reversePath: optional(form, "ReturnPath"),
    to: members(form, "Destination.ToAddresses"),
    cc: members(form, "Destination.CcAddresses"),
    bcc: members(form, "Destination.BccAddresses"),
    replyTo: members(form, "ReplyToAddresses"),
    content: {
      kind: "simple",
      subject: optional(form, "Message.Subject.Data") ?? "",
      text: optional(form, "Message.Body.Text.Data"),
      html: optional(form, "Message.Body.Html.Data"),
      ...{ headers: [], attachments: [] },
    },
  };
}
