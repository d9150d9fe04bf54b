// `check-config --online`: a line for each check, with what to do where something is wrong; nothing is sent.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect } from "vitest";
import { createEventsPlace, type SqsCall, type SqsFault } from "../support/events-place.ts";
import { freePort } from "../support/peers.ts";
import { type Place, sesAt, smtpAt, test } from "../support/place.ts";
import { type Run, run, type Settings } from "../support/process.ts";

const check = (settings: Settings): Promise<Run> => run(["check-config", "--online"], settings);

const onlineIn = ({ stdout }: Run): string[] =>
  stdout.split("\n").filter((line) => line.startsWith("online: "));
const faultsIn = ({ stderr }: Run): string[] =>
  stderr.split("\n").filter((line) => line.startsWith("mailonce: "));

/** One SES and one SMTP server, each with a route of its own. */
async function twoUpstreams(place: Place, identities: readonly string[]) {
  const [ses, smtp] = [await place.ses({ identities }), await place.smtp()];
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(
    file,
    [
      ...[`[upstreams.ses]`, `kind = "ses"`, `ses.endpoint = "${ses.endpoint}"`],
      ...["[upstreams.relay]", 'kind = "smtp"', 'smtp.host = "127.0.0.1"'],
      ...[`smtp.port = ${smtp.port}`, 'smtp.tls = "none"'],
      ...["[[routes]]", 'domains = ["shop.example", "news.example"]', 'upstreams = ["ses"]'],
      ...["[[routes]]", 'upstreams = ["relay"]', "[notices]", 'from = "postmaster@shop.example"'],
    ].join("\n"),
  );
  return { ses, smtp, settings: { CONFIG: file, DATA_DIR: place.data } };
}

test("each upstream, each sender and the ledger: all is well", async ({ place }) => {
  const { ses, smtp, settings } = await twoUpstreams(place, ["shop.example", "news.example"]);
  const result = await check(settings);
  expect([result.code, faultsIn(result)]).toEqual([0, []]);
  expect(onlineIn(result)).toEqual([
    expect.stringMatching(/^online: ses: ses http.*: eu-west-1, 14 a second/),
    `online: relay: smtp 127.0.0.1:${smtp.port}: answers`,
    "online: ledger: embedded, so there is nobody to ask",
  ]);
  expect([ses.calls(), smtp.taken]).toEqual([0, []]);
});

test("a domain that has a route to SES, and that SES has not verified", async ({ place }) => {
  const { ses, settings } = await twoUpstreams(place, ["shop.example"]);
  const result = await check(settings);
  expect([result.code, faultsIn(result)]).toEqual([
    1,
    [
      `mailonce: ses: ses ${ses.endpoint}: SES has not verified news.example, and would refuse mail from there: verify the domain in SES`,
    ],
  ]);
});

test("what is wrong comes with what to do: a port, a password, a database", async ({ place }) => {
  const port = await freePort();
  const ledger = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: `postgres://me@127.0.0.1:${port}/mailonce` };
  const away = await check({ DATA_DIR: place.data, ...smtpAt(port), ...ledger });
  expect(away.code).toBe(1);
  expect(faultsIn(away)).toEqual([
    `mailonce: upstream: smtp 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}. Start the server, and test again; or correct upstream.smtp.host and port and test again`,
    expect.stringMatching(
      /^mailonce: ledger: postgres: .*ECONNREFUSED.*\. Correct \[ledger\.postgres\], or start it$/,
    ),
  ]);
  const upstream = await place.smtp({ auth: { username: "relay", password: "right" } });
  const wrong = await check({
    ...{ DATA_DIR: place.data, ...smtpAt(upstream.port) },
    ...{ UPSTREAM_SMTP_USERNAME: "relay", UPSTREAM_SMTP_PASSWORD: "wrong" },
  });
  expect(faultsIn(wrong)).toEqual([
    expect.stringMatching(/: 535 5\.7\.8 .*\. Correct upstream\.smtp\.username or password and test again$/),
  ]);
});

describe("events of SES", () => {
  const topic = { SnsDestination: { TopicArn: "arn:aws:sns:eu-west-1:111122223333:mailonce" } };
  const sets = {
    right: [{ Name: "mailonce", Enabled: true, MatchingEventTypes: ["SEND", "BOUNCE"], ...topic }],
    bridge: [
      {
        Name: "mailonce",
        Enabled: true,
        MatchingEventTypes: ["SEND"],
        EventBridgeDestination: { EventBusArn: "a" },
      },
    ],
    off: [{ Name: "mailonce", Enabled: false, MatchingEventTypes: ["SEND"], ...topic }],
    bounces: [{ Name: "mailonce", Enabled: true, MatchingEventTypes: ["BOUNCE"], ...topic }],
    metrics: [
      {
        Name: "m",
        Enabled: true,
        MatchingEventTypes: ["SEND"],
        CloudWatchDestination: { DimensionConfigurations: [] },
      },
    ],
  };

  async function checked(place: Place, set?: string, faultOf?: (call: SqsCall) => SqsFault | undefined) {
    const ses = await place.ses({ identities: ["gateway.example"], eventDestinations: sets });
    const events = await createEventsPlace();
    place.atEnd(() => events.close());
    await events.put("{}");
    if (faultOf !== undefined) events.play(faultOf);
    const result = await check({
      ...{ DATA_DIR: place.data, HOSTNAME: "gateway.example", ...sesAt(ses) },
      UPSTREAM_SES_EVENTS_QUEUE_URL: events.queueUrl,
      ...(set === undefined ? {} : { UPSTREAM_SES_CONFIGURATION_SET: set }),
    });
    const lines = [...onlineIn(result), ...faultsIn(result)];
    return { code: result.code, said: lines.filter((line) => line.includes(": events: ")), events };
  }

  test.for(["right", "bridge"])("all is well: %s", async (set, { place }) => {
    const { code, said, events } = await checked(place, set);
    expect(said).toEqual([
      "online: upstream: events: the queue mailonce: can be read; 1 messages wait in it",
      `online: upstream: events: the configuration set ${set}: publishes Send events`,
    ]);
    expect(code).toBe(0);
    const received = events.calls.find(({ action }) => action === "ReceiveMessage");
    expect(received?.body).toMatchObject({
      MaxNumberOfMessages: 1,
      WaitTimeSeconds: 0,
      VisibilityTimeout: 0,
    });
    const { ready, hidden } = events.messages();
    expect(ready + hidden).toBe(1);
  });

  test.for([
    ["off", "the configuration set off: publishes no Send events: nothing settles doubt"],
    ["bounces", "the configuration set bounces: publishes no Send events: nothing settles doubt"],
    [
      "metrics",
      "the configuration set metrics: publishes no Send events to SNS or EventBridge: nothing settles doubt",
    ],
    [
      "missing",
      "the configuration set missing can't be read: NotFoundException: Configuration set missing does not exist.",
    ],
  ] as const)("no Send events: %s", async ([set, fault], { place }) => {
    const { code, said } = await checked(place, set);
    expect(said).toContain(`mailonce: upstream: events: ${fault}; see docs/ses-events.md`);
    expect(code).toBe(1);
  });

  test("no configuration set is no fault: mails may name one, and identities have one", async ({ place }) => {
    const { code, said } = await checked(place, undefined);
    expect(said).toContain(
      "online: upstream: events: no configuration_set: SES publishes events only of mails that name one, or whose identity has one; see docs/ses-events.md",
    );
    expect(code).toBe(0);
  });

  test("a queue that can't be read", async ({ place }) => {
    const { code, said } = await checked(place, "right", () => "gone");
    expect(said[1]).toMatch(
      /^mailonce: upstream: events: the queue mailonce can't be read: QueueDoesNotExist: /,
    );
    expect(code).toBe(1);
  });

  test("rights that are missing are named, each", async ({ place }) => {
    const lacks = new Set(["ReceiveMessage", "DeleteMessageBatch"]);
    const { said } = await checked(place, "right", ({ action }) =>
      lacks.has(action) ? "denied" : undefined,
    );
    expect(said[1]).toBe(
      "mailonce: upstream: events: the queue mailonce: these credentials need the rights sqs:ReceiveMessage, sqs:DeleteMessage; see docs/ses-events.md",
    );
  });
});
