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
  shown,
  type Version,
} from "./call.ts";

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
    const text = bufferOf(body).toString("utf8");
    if (countOf("&", text) > PARAMETERS_MAX) {
      throw new CallError("invalid", "the call has too many parameters");
    }
    const parameters = new URLSearchParams(text);
    const action = parameters.get("Action") ?? "";
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

function countOf(character: string, text: string): number {
  let count = 0;
  for (let at = text.indexOf(character); at >= 0; at = text.indexOf(character, at + 1)) count++;
  return count;
}

const ENTITIES: Readonly<Record<string, string>> = { "&": "&amp;", "<": "&lt;", ">": "&gt;" };

/** Text of an element: what is not a character of XML 1.0 is left out. */
const escaped = (text: string): string =>
  text.replace(/[&<>]/g, (one) => ENTITIES[one] ?? "").replace(/[^\t\n\r -\uFFFD]/g, "");

/** The parameters of a call, read in one pass. */
interface Form {
  readonly values: ReadonlyMap<string, string>;
  /** Of `LIST.member.1`, `LIST.member.2` and so on, by the name of the list; of a tag by Name and Value, of others by "". */
  readonly lists: ReadonlyMap<string, readonly ReadonlyMap<string, string>[]>;
}

const FIELDS: ReadonlySet<string> = new Set([
  ...["Action", "Version", "Timestamp", "AWSAccessKeyId", "Source", "ReturnPath", "ConfigurationSetName"],
  ...["RawMessage.Data", "Message.Subject.Data", "Message.Subject.Charset"],
  ...["Message.Body.Text.Data", "Message.Body.Text.Charset"],
  ...["Message.Body.Html.Data", "Message.Body.Html.Charset"],
]);

const LISTS: ReadonlySet<string> = new Set([
  ...["Destinations", "Destination.ToAddresses", "Destination.CcAddresses", "Destination.BccAddresses"],
  ...["ReplyToAddresses", "Tags"],
]);

const MEMBER = /^([\w.]+)\.member\.(\d{1,5})(?:\.(Name|Value))?$/;

/** As many as version 2 may have parts. */
const PARAMETERS_MAX = 10_000;

/** @throws CallError for what is not known, given twice, or missing in a list: nothing is left out in silence */
function formOf(parameters: URLSearchParams): Form {
  const values = new Map<string, string>();
  const numbered = new Map<string, Map<number, Map<string, string>>>();
  for (const [key, value] of parameters) {
    // An empty list.
    if (LISTS.has(key) && value === "") continue;
    const [, list, number, part = ""] = MEMBER.exec(key) ?? [];
    const isKnown =
      list === undefined ? FIELDS.has(key) : LISTS.has(list) && (part !== "") === (list === "Tags");
    if (!isKnown) {
      throw new CallError("invalid", `mailonce does not know ${shown(key)}; send this mail to SES itself`);
    }
    const holder = list === undefined ? values : memberOf(numbered, list, Number(number));
    const name = list === undefined ? key : part;
    if (holder.has(name)) throw new CallError("invalid", `${shown(key)} is given twice`);
    holder.set(name, value);
  }
  return { values, lists: new Map([...numbered].map(([list, found]) => [list, inOrder(list, found)])) };
}

function memberOf(
  numbered: Map<string, Map<number, Map<string, string>>>,
  list: string,
  number: number,
): Map<string, string> {
  const members = numbered.get(list) ?? new Map<number, Map<string, string>>();
  numbered.set(list, members);
  const member = members.get(number) ?? new Map<string, string>();
  members.set(number, member);
  return member;
}

function inOrder<T>(list: string, found: ReadonlyMap<number, T>): T[] {
  return Array.from({ length: found.size }, (_, index) => {
    const member = found.get(index + 1);
    if (member === undefined) throw new CallError("invalid", `${list}.member.${index + 1} is missing`);
    return member;
  });
}

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
