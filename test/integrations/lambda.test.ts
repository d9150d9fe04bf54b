// A Lambda function on SQS, called with events of the documented shape; and the forms of mail that smtplib sends.
import { describe, expect } from "vitest";
import { type Place, test } from "../support/place.ts";
import { has, type Mails, PROGRAMS, PYTHON, startMails, startProgram } from "./jobs.ts";
import { during, pythonEnvironment } from "./python.ts";

async function run(place: Place, mails: Mails, program: string, ...args: string[]): Promise<string> {
  const running = startProgram(place, PYTHON, [`${PROGRAMS}/python/${program}`, ...args], {
    environment: pythonEnvironment(mails),
  });
  const code = await running.exited;
  expect({ code, output: code === 0 ? "" : running.output() }).toEqual({ code: 0, output: "" });
  return running.output();
}

/** https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
const record = (messageId: string, body: object, received = 1) => ({
  messageId,
  receiptHandle: "AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a...",
  body: JSON.stringify(body),
  attributes: {
    ApproximateReceiveCount: String(received),
    SentTimestamp: "1545082649183",
    SenderId: "AIDAIENQZJOLO23YVJ4VO",
    ApproximateFirstReceiveTimestamp: "1545082649185",
  },
  messageAttributes: {},
  md5OfBody: "e4e68fb7bd0e697a0ae8f1bb342846b3",
  eventSource: "aws:sqs",
  eventSourceARN: "arn:aws:sqs:us-east-2:123456789012:my-queue",
  awsRegion: "us-east-2",
});

describe.skipIf(!has("Django", PYTHON, ["-c", "import django"]))("AWS Lambda on SQS", () => {
  const [one, two] = [
    "059f36b4-87a3-44ab-83d2-661975830a7d",
    "2e1424d4-f796-459a-8184-9c92662be6da",
  ] as const;

  test("a record that failed and is delivered again mails what is left, as does one that SQS delivers twice", async ({
    place,
  }) => {
    const mails = await startMails(place);
    const call = async (...Records: object[]) =>
      JSON.parse(await run(place, mails, "lambda_run.py", JSON.stringify({ Records })));
    const order = (customer: string, more: object = {}) => ({
      customer,
      warehouse: "stock@example.net",
      ...more,
    });
    const first = await during(mails, 3, async () => {
      const failing = order("b@example.net", { fails: true });
      const answer = await call(record(one, order("a@example.net")), record(two, failing));
      expect(answer).toEqual({ batchItemFailures: [{ itemIdentifier: two }] });
    });
    expect(first.tasks).toEqual([one, one, two]);
    const again = await during(mails, 4, async () => {
      const answer = await call(
        record(two, order("b@example.net"), 2),
        record(one, order("a@example.net"), 2),
      );
      expect(answer).toEqual({ batchItemFailures: [] });
    });
    expect(again.became).toEqual(["repeat", "queued", "repeat", "repeat"]);
    expect(again.receivers).toEqual(["stock@example.net"]);
  });
});

describe.skipIf(!has("Python", PYTHON, ["-c", ""]))("smtplib", () => {
  test("each form of message has the job's id, once, and arrives as it was; what outlives a job has none", async ({
    place,
  }) => {
    const mails = await startMails(place);
    const { mails: relayed } = await during(mails, 23, () => run(place, mails, "smtplib_forms.py"));
    const name = (recipient: unknown) => String(recipient).replace("@form.example", "");
    const tasks = mails.gateway
      .said("transmission.relayed")
      .map(({ recipient, task }) => [name(recipient), task]);
    expect(Object.fromEntries(tasks)).toEqual({
      ...{ "text-lf": "job-text-lf", "text-crlf": "job-text-crlf", "text-cr": "job-text-cr" },
      ...{ "octets-lf": "job-octets-lf", "octets-crlf": "job-octets-crlf" },
      ...{ "octets-8bit": "job-octets-8bit", "octets-mutable": "job-octets-mutable", object: "job-object" },
      ...{ folded: "job-folded", "header-only": "job-header-only", "has-own": "own-id" },
      ...{ "no-header": undefined, "empty-header": undefined, outside: undefined },
      ...{ "pool-carried": "job-pool-1", "pool-bare": undefined, "pool-after": "job-pool-1" },
      ...{ "pool-other": "job-pool-2", inner: "job-inner", twice: "job-patched-twice" },
      ...{ "async-1": "job-async-1", "async-2": "job-async-2", "async-left": undefined },
    });
    const contents = new Map(relayed.map(({ to, content }) => [name(to), content]));
    for (const form of [
      "text-lf",
      "text-crlf",
      "text-cr",
      "octets-lf",
      "octets-crlf",
      "octets-mutable",
      "object",
    ]) {
      const [header = "", body] = contents.get(form)?.split(/\r\n\r\n(.*)/s) ?? [];
      expect(header).toContain(
        `From: shop@shop.example\r\nTo: ${form}@form.example\r\nSubject: ${form}@form.example`,
      );
      // smtplib ends octets that end in LF with a CRLF of its own.
      expect(body).toMatch(/^Hello\r\n\r\nx-task-id: in the body\r\n(\r\n)?$/);
    }
    expect(contents.get("folded")).toMatch(/^X-Folded: one\r\n two$/m);
    expect(contents.get("octets-8bit")).toContain(Buffer.from("Grüße").toString("latin1"));
  });
});
