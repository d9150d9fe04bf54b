// What the fuzzing of the API would find: its account and its reader of answers against answers and mails that are wrong.
import { expect, test } from "vitest";
import { accountFor, createHeard, hearCall } from "./account.ts";
import { createAnswerReader } from "./api/answers.ts";
import { recipientOf } from "./api/calls.ts";
import type { Arrival } from "./sink.ts";

const ID = `${"a".repeat(32)}@sender.example`;
const arrival = (number: number, submission: string, id = ID): Arrival => ({
  ...{ submission, messageId: `<${id}>`, octets: "" },
  recipient: recipientOf(number, 0),
});

test("each 200 has its mail, once, and no other mail is there", () => {
  const heard = createHeard();
  hearCall(heard, 1, ID);
  hearCall(heard, 1, ID);
  hearCall(heard, 2, undefined);
  hearCall(heard, 3, "unheard");
  const other = `${"b".repeat(32)}@sender.example`;
  expect(accountFor(heard, [arrival(1, "s1"), arrival(3, "s3", other)])).toMatchObject({
    ...{ taken: 1, repeats: 1, arrived: 2, unheard: 1 },
    faults: [],
  });
  expect(accountFor(heard, []).faults).toEqual([`an answer 200 for what did not arrive: ${ID}`]);
  expect(accountFor(heard, [arrival(1, "s1"), arrival(1, "s2")]).faults).toEqual([`arrived twice: <${ID}>`]);
  expect(accountFor(heard, [arrival(1, "s1"), arrival(2, "s2", other)]).faults).toEqual([
    `submission s2 for ${recipientOf(2, 0)} of call 2, which was refused`,
  ]);
  // Whose recipient was changed on its way may be that of a call that was left.
  const changed = { ...arrival(31, "s2", other), recipient: recipientOf(31, 0).replace("q31", "q2") };
  expect(accountFor(heard, [arrival(1, "s1"), changed]).faults).toEqual([]);
});

const said = (head: string, body: string): string =>
  `HTTP/1.1 ${head}\r\nContent-Type: application/json\r\nx-amzn-RequestId: ${"0".repeat(36)}\r\n${
    body.includes("__type") ? `x-amzn-ErrorType: ${/"__type":"(\w+)"/.exec(body)?.[1]}\r\n` : ""
  }Content-Length: ${body.length}\r\n\r\n${body}`;

test.each([
  ["an answer as it is", said("200 OK", '{"MessageId":"x@y"}'), undefined],
  ["an error as it is", said("400 Bad Request", '{"__type":"MessageRejected","message":"no"}'), undefined],
  [
    "an unknown error",
    said("400 Bad Request", '{"__type":"Oops","message":"no"}'),
    /that the page does not have/,
  ],
  [
    "another status",
    said("500 Oops", '{"__type":"MessageRejected","message":"no"}'),
    /that the page does not have/,
  ],
  [
    "an error as 200",
    said("200 OK", '{"__type":"MessageRejected","message":"no"}'),
    /status and body differ/,
  ],
  ["no JSON", said("200 OK", "{"), /of another form/],
  ["nothing in it", said("200 OK", "{}"), /of another form/],
  ["no answer", "oops\r\n\r\n", /no head/],
  ["no length", "HTTP/1.1 200 OK\r\nX: y\r\n\r\n", /no length/],
] as const)("%s", (_what, text, fault) => {
  const reader = createAnswerReader(() => false);
  reader.push(Buffer.from(text));
  expect(reader.faults.join("\n")).toMatch(fault ?? /^$/);
  expect(reader.isWhole()).toBe(true);
});
