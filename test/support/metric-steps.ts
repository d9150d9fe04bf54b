// What a gateway goes through so that its metrics move: one mail, a repeat, each way in which an upstream fails. The steps
// of a ledger that several gateways share are in metric-steps-shared.ts.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ask, rawCall, SEND } from "../ses-api/place.ts";
import { openDoors, PASSWORDS, token, underTls, writeFiles, writeUsers } from "./doors.ts";
import { createFailingDisk, type DiskFault } from "./failing-disk.ts";
import { EVENT_STEPS } from "./metric-steps-events.ts";
import { type Place, sesAt, smtpAt } from "./place.ts";
import { type GatewayProcess, PRESENT, run, type Settings } from "./process.ts";
import { NO_SCRAPE, type Scrape, scrape, scrapedWhen } from "./scrape.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "./scripted-smtp.ts";
import { writeCertificate } from "./short-certificate.ts";
import { connectSmtp, openSmtp, submitMail, taskMail } from "./smtp-client.ts";

const { version } = JSON.parse(readFileSync("package.json", "utf8")) as { version: string };

/** A gateway, and its metrics before the step. */
export interface Moving {
  readonly gateway: GatewayProcess;
  readonly before: Scrape;
}

export interface Step {
  readonly name: string;
  /** Series, as the text has them. Labels of the gateway's own addresses are "*". */
  readonly moves: readonly string[];
  /** A text where the machine lacks what the step needs. */
  play(place: Place): Promise<Moving | string>;
}

const M = "mailonce_";

interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  readonly settings: Settings;
}

export async function openSite(
  place: Place,
  script: ScriptedSmtpOptions["script"],
  more: Settings = {},
): Promise<Site> {
  const upstream = await place.smtp({ script: script ?? "accept" });
  const settings = { DATA_DIR: place.data, SPOOL_RETRY_MIN: "10m", ...smtpAt(upstream.port), ...more };
  return { gateway: await place.start(settings), upstream, settings };
}

const mailTo = (port: number, task: string, subject = "News", recipientParameters = ""): Promise<string> =>
  submitMail(port, {
    ...{ to: ["person@example.net"], content: taskMail(task, { subject }), recipientParameters },
  });

const UNKEYED = taskMail("").replace(/^X-Task-Id: \r\n/m, "");

/** Begins with the gateway as it is after its start. */
const step = (
  name: string,
  moves: readonly string[],
  script: ScriptedSmtpOptions["script"],
  play: (site: Site, place: Place) => Promise<unknown>,
  settings: Settings = {},
): Step => ({
  ...{ name, moves },
  async play(place) {
    const site = await openSite(place, script, settings);
    const before = await scrape(site.gateway);
    await play(site, place);
    return { gateway: site.gateway, before };
  },
});

/** Calls of one mail to one of these, each a try of the same call. */
function callAgain({ port }: GatewayProcess): (name: string) => Promise<unknown> {
  const headers = { "amz-sdk-invocation-id": randomUUID() };
  return (name) => ask(port, { path: SEND, headers, body: rawCall(`To: ${name}@example.net\r\n${UNKEYED}`) });
}

const OBSERVED = `${M}observed_recipients_total`;

const observed: readonly Step[] = [
  step(
    "mode observe relays a repeat of a mail that is relayed and of one that is not yet, a conflict, and a bad task",
    [
      ...["repeat_relayed", "repeat_underway", "conflict"].map(
        (verdict) => `${OBSERVED}{verdict="${verdict}",identity="task"}`,
      ),
      `${OBSERVED}{verdict="refused",identity="none"}`,
    ],
    (number) => (number === 0 ? "accept" : "held-reply"),
    async ({ gateway }) => {
      await mailTo(gateway.port, "the-first-task");
      await gateway.logged("transmission.relayed");
      await mailTo(gateway.port, "the-first-task", "Other news");
      for (const task of ["the-first-task", "the-second-task", "the-second-task", "undefined"]) {
        await mailTo(gateway.port, task);
      }
    },
    { IDENTITY_MODE: "observe" },
  ),
  step(
    "so too of mail without a task, known by its content",
    ["repeat_relayed", "repeat_underway"].map(
      (verdict) => `${OBSERVED}{verdict="${verdict}",identity="fingerprint"}`,
    ),
    (number) => (number === 0 ? "accept" : "held-reply"),
    async ({ gateway }) => {
      const [first, second] = [UNKEYED, UNKEYED.replace("Hello", "Good morning")];
      const submit = (content: string) => submitMail(gateway.port, { to: ["person@example.net"], content });
      await submit(first);
      await gateway.logged("transmission.relayed");
      for (const content of [first, second, second]) await submit(content);
    },
    { IDENTITY_MODE: "observe", IDENTITY_UNKEYED: "fingerprint" },
  ),
  step(
    "so too of mail without a task, by an SDK of AWS that tries again",
    ["repeat_relayed", "repeat_underway"].map(
      (verdict) => `${OBSERVED}{verdict="${verdict}",identity="sdk"}`,
    ),
    (number) => (number === 0 ? "accept" : "held-reply"),
    async ({ gateway }) => {
      const call = callAgain(gateway);
      await call("first");
      await gateway.logged("transmission.relayed");
      for (const name of ["first", "second", "second"]) await call(name);
    },
    { IDENTITY_MODE: "observe", SMTP_PROTOCOL: "ses-api" },
  ),
  ...(
    [
      ["task", ({ port }) => mailTo(port, "the-task"), {}],
      [
        "fingerprint",
        ({ port }) => submitMail(port, { to: ["person@example.net"], content: UNKEYED }),
        { IDENTITY_UNKEYED: "fingerprint" },
      ],
    ] as readonly [string, (gateway: GatewayProcess) => Promise<unknown>, Settings][]
  ).map(([identity, submit, more]) =>
    step(
      `mode observe relays a mail known by its ${identity} that is in doubt and comes again, where enforced it would wait`,
      [`${OBSERVED}{verdict="doubtful",identity="${identity}"}`],
      (number) => (number === 0 ? "drop-before-reply" : "accept"),
      async ({ gateway }) => {
        for (const _time of [1, 2]) await submit(gateway);
      },
      { IDENTITY_MODE: "observe", LEDGER_DOUBTFUL: "hold", SMTP_REPLY: "relayed", ...more },
    ),
  ),
  step(
    "so too of a call that an SDK of AWS tries again",
    [`${OBSERVED}{verdict="doubtful",identity="sdk"}`],
    (number) => (number === 0 ? "drop-before-reply" : "accept"),
    async ({ gateway }) => {
      const call = callAgain(gateway);
      for (const _time of [1, 2]) await call("person");
    },
    { IDENTITY_MODE: "observe", LEDGER_DOUBTFUL: "hold", SMTP_REPLY: "relayed", SMTP_PROTOCOL: "ses-api" },
  ),
];

const mails: readonly Step[] = [
  {
    name: "a gateway starts",
    moves: [`${M}build_info{version="${version}",node="${process.version}"}`, "process_start_time_seconds"],
    play: async (place) => ({ gateway: (await openSite(place, "accept")).gateway, before: NO_SCRAPE }),
  },
  step(
    "a mail is relayed",
    [
      `${M}smtp_connections_total{listener="*",result="accepted"}`,
      ...["220", "221", "250", "354"].map((code) => `${M}smtp_replies_total{code="${code}"}`),
      `${M}submissions_total{code="250"}`,
      `${M}submission_duration_seconds_count`,
      `${M}submission_duration_seconds_sum`,
      `${M}recipients_total{verdict="queued",identity="task"}`,
      `${M}attempts_total{upstream="upstream",outcome="accepted"}`,
      `${M}attempt_duration_seconds_sum{upstream="upstream"}`,
      `${M}relay_delay_seconds_count{upstream="upstream"}`,
      `${M}filter_lookups_total{answer="absent"}`,
      ...[`${M}ledger_ids`, `${M}ledger_generations`],
      ...[`${M}commit_duration_seconds_sum`, `${M}commit_batch_size_sum`],
      ...["process_cpu_seconds_total", "process_resident_memory_bytes"],
      ...["nodejs_eventloop_active_seconds_total", "nodejs_eventloop_lag_seconds"],
    ],
    "accept",
    ({ gateway }) => mailTo(gateway.port, randomUUID()),
  ),
  step(
    "connections are open",
    [`${M}smtp_connections{listener="*"}`, "process_open_fds"],
    "accept",
    async ({ gateway }, place) => {
      for (let count = 0; count < 5; count++) {
        const client = await connectSmtp(gateway.port);
        place.atEnd(() => client.destroy());
      }
    },
  ),
  step(
    "a mail is being received, and another is being attempted",
    [
      ...["receiving", "attempts"].map((kind) => `${M}memory_budget_bytes{kind="${kind}"}`),
      `${M}ledger_claims`,
    ],
    "held-reply",
    async ({ gateway, upstream }, place) => {
      const struck = upstream.struck();
      await mailTo(gateway.port, randomUUID());
      await struck;
      const client = await connectSmtp(gateway.port);
      place.atEnd(() => client.destroy());
      await client.command("MAIL FROM:<app@sender.example>");
      await client.command("RCPT TO:<person@example.net>");
      await client.command("DATA");
      client.write(`${taskMail(randomUUID())}\r\n${"x".repeat(20_000)}`);
    },
  ),
  step(
    "repeats of a mail that is relayed, and of one that is not yet",
    [
      `${M}recipients_total{verdict="repeat_relayed",identity="task"}`,
      `${M}recipients_total{verdict="repeat_underway",identity="task"}`,
      `${M}filter_lookups_total{answer="maybe_found"}`,
    ],
    (number) => (number === 0 ? "accept" : "held-reply"),
    async ({ gateway }) => {
      await mailTo(gateway.port, "the-first-task");
      await gateway.logged("transmission.relayed");
      for (const task of ["the-first-task", "the-second-task", "the-second-task"]) {
        await mailTo(gateway.port, task);
      }
    },
  ),
  step(
    "repeats of mail without a task, known by its content",
    [
      `${M}recipients_total{verdict="queued",identity="fingerprint"}`,
      `${M}recipients_total{verdict="repeat_relayed",identity="fingerprint"}`,
      `${M}recipients_total{verdict="repeat_underway",identity="fingerprint"}`,
    ],
    (number) => (number === 0 ? "accept" : "held-reply"),
    async ({ gateway }) => {
      const mail = (name: string) => ({ to: [`${name}@example.net`], content: UNKEYED });
      await submitMail(gateway.port, mail("first"));
      await gateway.logged("transmission.relayed");
      for (const name of ["first", "second", "second"]) await submitMail(gateway.port, mail(name));
    },
    { IDENTITY_UNKEYED: "fingerprint" },
  ),
  step(
    "repeats of mail without a task, by an SDK of AWS that tries again",
    ["queued", "repeat_relayed", "repeat_underway"].map(
      (verdict) => `${M}recipients_total{verdict="${verdict}",identity="sdk"}`,
    ),
    (number) => (number === 0 ? "accept" : "held-reply"),
    async ({ gateway }) => {
      const call = callAgain(gateway);
      await call("first");
      await gateway.logged("transmission.relayed");
      for (const name of ["first", "second", "second"]) await call(name);
    },
    { SMTP_PROTOCOL: "ses-api" },
  ),
  step(
    "a mail without a task",
    [`${M}recipients_total{verdict="queued",identity="none"}`],
    "accept",
    ({ gateway }) => submitMail(gateway.port, { to: ["person@example.net"], content: UNKEYED }),
  ),
  step(
    "another mail of the same task",
    [`${M}recipients_total{verdict="conflict",identity="task"}`, `${M}submissions_total{code="554"}`],
    "accept",
    async ({ gateway }) => {
      await mailTo(gateway.port, "the-task");
      await mailTo(gateway.port, "the-task", "Other news");
    },
  ),
  ...observed,
];

const untilHeld = (gateway: GatewayProcess): Promise<Scrape> =>
  scrapedWhen(
    gateway,
    ({ values }) => values.get(`${M}queue_transmissions{upstream="upstream",state="held"}`) === 1,
  );

const faults: readonly Step[] = [
  step(
    "the upstream refuses a mail for good",
    [`${M}attempts_total{upstream="upstream",outcome="refused"}`, `${M}notices_total{kind="failure"}`],
    (number) => (number === 0 ? "refuse-rcpt-5" : "accept"),
    ({ gateway }) => mailTo(gateway.port, randomUUID()),
  ),
  step(
    "the upstream refuses a mail for now",
    [
      `${M}attempts_total{upstream="upstream",outcome="later"}`,
      `${M}queue_transmissions{upstream="upstream",state="waiting"}`,
      `${M}queue_oldest_age_seconds{upstream="upstream",state="waiting"}`,
      `${M}notices_total{kind="delay"}`,
    ],
    (number) => (number === 0 ? "refuse-rcpt-4" : "accept"),
    ({ gateway }) => mailTo(gateway.port, randomUUID()),
    { SPOOL_DELAY_WARNING: "1ms" },
  ),
  step(
    "the sender asks for a report of success",
    [`${M}notices_total{kind="success"}`],
    "accept",
    ({ gateway }) => mailTo(gateway.port, randomUUID(), "News", "NOTIFY=SUCCESS"),
  ),
  step(
    "nothing listens where the upstream should be",
    [
      `${M}attempts_total{upstream="upstream",outcome="down"}`,
      `${M}queue_transmissions{upstream="upstream",state="due"}`,
      `${M}queue_oldest_age_seconds{upstream="upstream",state="due"}`,
      `${M}upstream_paused{upstream="upstream"}`,
    ],
    "accept",
    async ({ gateway, upstream }) => {
      await upstream.close();
      await mailTo(gateway.port, randomUUID());
    },
  ),
  step(
    "the upstream gives no answer, and doubtful mail is held",
    [
      `${M}attempts_total{upstream="upstream",outcome="doubtful"}`,
      `${M}doubtful_ids`,
      `${M}queue_transmissions{upstream="upstream",state="held"}`,
      `${M}queue_oldest_age_seconds{upstream="upstream",state="held"}`,
    ],
    "drop-before-reply",
    ({ gateway }) => mailTo(gateway.port, randomUUID()),
    { LEDGER_DOUBTFUL: "hold" },
  ),
  step(
    "an operator decides about it",
    [`${M}doubtful_resolved_total{by="operator"}`],
    "drop-before-reply",
    async ({ gateway, settings }) => {
      await mailTo(gateway.port, randomUUID());
      await untilHeld(gateway);
      const id = String(gateway.said("transmission.doubtful")[0]?.messageId);
      await run(["doubtful", "resolve", id, "--relayed"], settings);
    },
    { LEDGER_DOUBTFUL: "hold" },
  ),
  step(
    "an operator has it sent again",
    [`${M}doubtful_resolved_total{by="operator"}`],
    (number) => (number === 0 ? "drop-before-reply" : "accept"),
    async ({ gateway, settings }) => {
      const submitted = await mailTo(gateway.port, randomUUID());
      await untilHeld(gateway);
      const [, submission = ""] = /queued as (\S+)/.exec(submitted) ?? [];
      await run(["queue", "retry", submission, "--resend"], settings);
      await gateway.logged("transmission.relayed");
    },
    { LEDGER_DOUBTFUL: "hold" },
  ),
  step(
    "policy decides about it",
    [`${M}doubtful_resolved_total{by="policy"}`],
    (number) => (number === 0 ? "drop-before-reply" : "accept"),
    ({ gateway }) => mailTo(gateway.port, randomUUID()),
  ),
  step(
    "an operator decides while it is attempted again",
    [`${M}ledger_stale_total`, `${M}second_copies_total`],
    (number) => (number === 0 ? "drop-before-reply" : "held-reply"),
    async ({ gateway, upstream, settings }) => {
      const first = upstream.struck();
      await mailTo(gateway.port, randomUUID());
      await first;
      await upstream.struck();
      const id = String(gateway.said("transmission.doubtful")[0]?.messageId);
      await run(["doubtful", "resolve", id, "--relayed"], settings);
      upstream.release();
    },
    { SPOOL_RETRY_MIN: "50ms" },
  ),
];

const surroundings: readonly Step[] = [
  {
    name: "SES says what the account may send",
    moves: [
      `${M}upstream_rate_limit{upstream="upstream"}`,
      `${M}ses_quota_max{upstream="upstream"}`,
      `${M}ses_quota_remaining{upstream="upstream"}`,
    ],
    async play(place) {
      const ses = await place.ses({
        quota: { MaxSendRate: 14, Max24HourSend: 50_000, SentLast24Hours: 49_000 },
      });
      const gateway = await place.start({ DATA_DIR: place.data, ...sesAt(ses) });
      const before = await scrape(gateway);
      await mailTo(gateway.port, randomUUID());
      return { gateway, before };
    },
  },
  {
    name: "clients with passwords, strangers, and too many of them",
    moves: [
      ...["accepted", "wrong", "later"].map((result) => `${M}smtp_auth_total{result="${result}"}`),
      ...["not_allowed", "blocked", "full"].map(
        (result) => `${M}smtp_connections_total{listener="*",result="${result}"}`,
      ),
    ],
    async play(place) {
      const users = join(place.folder, "users-made-once");
      await writeUsers(users, PASSWORDS);
      const networks = [2, 3, 4].map((host) => `"127.0.0.${host}/32"`).join(", ");
      const limits = `auth_failures_max = 2\nallowed_networks = [${networks}]\ntrusted_networks = []\n`;
      const files = writeFiles(place, users, `${limits}[smtp]\nconnections_per_address_max = 1\n`);
      const { gateway, implicit } = await openDoors(place, files);
      const before = await scrape(gateway);
      const come = async (from: string) => await underTls(implicit, "implicit", { from });
      const good = await come("127.0.0.2");
      await good.command(`AUTH PLAIN ${token("shop", PASSWORDS.shop)}`);
      await turnedAway(implicit, "127.0.0.2");
      good.destroy();
      await turnedAway(implicit, "127.0.0.9");
      const bad = await come("127.0.0.4");
      for (let tries = 0; tries < 3; tries++) await bad.command(`AUTH PLAIN ${token("shop", "guess")}`);
      bad.destroy();
      await turnedAway(implicit, "127.0.0.4");
      return { gateway, before };
    },
  },
  {
    name: "a certificate is renewed",
    moves: [`${M}tls_certificate_not_after_timestamp_seconds{listener="*"}`],
    async play(place) {
      const files = writeCertificate(place.folder, 5);
      if (files === undefined) return "openssl is not installed";
      const tls = { SMTP_TLS: "opportunistic", TLS_CERT_FILE: files.cert, TLS_KEY_FILE: files.key };
      const gateway = await place.start({ DATA_DIR: place.data, ...tls });
      const before = await scrape(gateway);
      writeCertificate(place.folder, 90);
      gateway.signal("SIGHUP");
      return { gateway, before };
    },
  },
  ...(["spool", "ledger", "history"] as const).map(
    (store): Step => ({
      name: `the disk fails below ${store}`,
      moves: [`${M}storage_errors_total{store="${store}"}`],
      async play(place) {
        const disk = createFailingDisk(place.data);
        if (disk === undefined) return "there is no C compiler (Debian: gcc, libc6-dev)";
        place.atEnd(() => disk.remove());
        const upstream = await place.smtp();
        const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
        const gateway = await place.start(settings, { ...PRESENT, environment: disk.environment });
        const before = await scrape(gateway);
        // The history is not synced.
        const operation: DiskFault["operation"] = store === "history" ? "write" : "sync";
        disk.arm({ operation, path: `/${store}/` });
        await mailTo(gateway.port, randomUUID());
        return { gateway, before };
      },
    }),
  ),
  step("somebody writes to the disk", [`${M}disk_free_bytes`], "accept", async (_, place) =>
    writeFileSync(join(place.folder, "large"), new Uint8Array(2 ** 24).fill(1)),
  ),
];

/** The gateway ends a connection from there without letting it in. */
async function turnedAway(port: number, from: string): Promise<void> {
  const { socket } = await openSmtp(port, { from });
  if (!socket.closed) await once(socket, "close");
}

export const STEPS: readonly Step[] = [...mails, ...faults, ...surroundings, ...EVENT_STEPS];
