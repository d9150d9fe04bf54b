// An operator forgets a relayed id, by the built command: its task sends again, once, whatever is killed in between.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { gatewayForget } from "../../src/operator/http/forget-client.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import { type GatewayProcess, run, type Settings } from "../support/process.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "../support/scripted-smtp.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

interface Site {
  gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  readonly settings: Settings;
  readonly task: string;
}

const MAIL = { to: ["user@example.com"] };

async function openSite(place: Place, options: ScriptedSmtpOptions = {}, more: Settings = {}): Promise<Site> {
  const upstream = await place.smtp(options);
  const settings = {
    ...{ DATA_DIR: place.data, LOG_FORMAT: "json", SPOOL_RETRY_MIN: "50ms", SPOOL_RETRY_MAX: "100ms" },
    ...smtpAt(upstream.port),
    ...more,
  };
  return { gateway: await place.start(settings), upstream, settings, task: randomUUID() };
}

const submit = ({ gateway, task }: Site): Promise<string> =>
  submitMail(gateway.port, { ...MAIL, content: taskMail(task) });

/** Submits the mail. @returns its Message-ID, with brackets, when it is relayed */
async function relayed(site: Site): Promise<string> {
  const before = site.gateway.said("transmission.relayed").length;
  expect(await submit(site)).toContain("queued as");
  await site.gateway.logged("transmission.relayed", before + 1);
  return site.gateway.said("transmission.relayed").at(-1)?.messageId as string;
}

const forget = ({ settings }: Site, ...args: string[]) => run(["forget", ...args], settings);

const NO_GATEWAY = /"event":"operator.forgotten"/;

test("relayed, a repeat dropped, forgotten, relayed again, a repeat dropped", async ({ place }) => {
  const site = await openSite(place);
  const messageId = await relayed(site);
  expect(await submit(site)).toContain("repeat of");

  const asked = await forget(site, messageId);
  expect(asked.code).toBe(2);
  expect(asked.stderr).toMatch(/nothing is changed without --yes: [a-z2-7]{32} was relayed at 20/);
  expect(await submit(site)).toContain("repeat of");

  const done = await forget(site, messageId, "--yes", "--reason", "the reader lost it");
  expect([done.code, done.stderr]).toEqual([0, ""]);
  expect(done.stdout).toMatch(/^[a-z2-7]{32}, relayed at 20\S+Z, is forgotten: its task may send again\n$/);
  expect(site.gateway.said("operator.forgotten")).toMatchObject([
    { level: "warn", relayedAt: expect.stringMatching(/^20/), reason: "the reader lost it" },
  ]);
  const again = await forget(site, messageId, "--yes", "--json");
  expect(JSON.parse(again.stdout)).toMatchObject({ wasForgotten: true });

  expect(await relayed(site)).toBe(messageId);
  expect(await submit(site)).toContain("repeat of");
  expect(site.upstream.taken).toHaveLength(2);
  expect(site.upstream.repeated()).toEqual([messageId]);
});

test("a gateway that does not run: the next start relays the task's mail once more", async ({ place }) => {
  const site = await openSite(place);
  const messageId = await relayed(site);
  await site.gateway.stop();
  const done = await forget(site, messageId, "--yes");
  expect(done.code).toBe(0);
  expect(done.stderr).toMatch(NO_GATEWAY);
  expect((await forget(site, messageId)).stderr).toContain("is forgotten already");
  site.gateway = await place.start(site.settings);
  await relayed(site);
  expect(await submit(site)).toContain("repeat of");
  expect(site.upstream.taken).toHaveLength(2);
});

test("what is killed in between: the forgetting, and the mail after it, outlive that", async ({ place }) => {
  const site = await openSite(place);
  const messageId = await relayed(site);
  expect((await forget(site, messageId, "--yes")).code).toBe(0);
  await site.gateway.kill();

  // The new mail is in the spool, with 250, and killed before it is attempted.
  site.gateway = await place.start(site.settings);
  expect((await run(["pause"], site.settings)).code).toBe(0);
  expect(await submit(site)).toContain("queued as");
  await site.gateway.kill();
  site.gateway = await place.start(site.settings);
  expect(await submit(site)).toContain("repeat of");
  expect((await forget(site, messageId, "--yes")).stderr).toContain("is still in the queue of this gateway");
  expect((await run(["resume"], site.settings)).code).toBe(0);
  await site.gateway.logged("transmission.relayed");
  expect(site.upstream.taken).toHaveLength(2);

  // Killed after that: what was relayed last is not forgotten.
  await site.gateway.kill();
  site.gateway = await place.start(site.settings);
  expect(await submit(site)).toContain("repeat of");
  expect(site.upstream.taken).toHaveLength(2);
});

test("killed while it is forgotten, however often: it is forgotten, or relayed still, and says which", async ({
  place,
}) => {
  const site = await openSite(place);
  const messageId = await relayed(site);
  let done = false;
  for (let round = 0; round < 4 && !done; round++) {
    // The kill comes before the question has arrived, with it, or after the answer.
    const asked = gatewayForget(place.data)
      .forget(messageId, {})
      .catch(() => undefined);
    if (round > 0) await new Promise(setImmediate);
    if (round > 2) await asked;
    await site.gateway.kill();
    const answer = await asked;
    site.gateway = await place.start(site.settings);
    const { stderr, code } = await forget(site, messageId);
    expect(code).toBe(2);
    done = stderr.includes("is forgotten already");
    if (done) break;
    expect(answer?.ok).not.toBe(true);
    expect(await submit(site)).toContain("repeat of");
  }
  expect(done).toBe(true);
  await relayed(site);
  expect(await submit(site)).toContain("repeat of");
  expect(site.upstream.taken).toHaveLength(2);
});

test("refused: in the queue, waiting for its report, doubtful, unknown, or no id", async ({ place }) => {
  const refuse = (recipient: string) =>
    recipient.startsWith("nobody")
      ? "550 5.1.1 no such user"
      : recipient.startsWith("later")
        ? "450 4.2.1 later"
        : undefined;
  const site = await openSite(place, { refuse }, { LEDGER_DOUBTFUL: "hold" });
  const { gateway, settings, upstream } = site;
  const idOf = async (to: string): Promise<string> => {
    const { stdout } = await run(["id", "--task", site.task, "--to", to], settings);
    return stdout.trim();
  };
  const faultOf = async (name: string): Promise<[number | null, string]> => {
    const { code, stderr } = await forget(site, name, "--yes");
    return [code, stderr.trim().replace(`mailonce: ${name} `, "")];
  };
  // The report waits for the other recipient of the submission.
  const to = ["nobody@example.com", "later@example.com"];
  expect(await submitMail(gateway.port, { to, content: taskMail(site.task) })).toContain("queued as");
  await gateway.logged("transmission.refused", 2);
  for (const name of to) {
    expect(await faultOf(await idOf(name))).toEqual([1, "is still in the queue of this gateway"]);
  }
  upstream.play("drop-before-reply");
  await submit(site);
  await gateway.logged("transmission.doubtful");
  expect(await faultOf(await idOf("user@example.com"))).toEqual([1, "is still in the queue of this gateway"]);

  const nothing = "is not relayed, as far as is known: there is nothing to forget";
  expect(await faultOf(await idOf("unknown@example.com"))).toEqual([3, nothing]);
  expect(await faultOf("not-an-id")).toEqual([2, "is no id, and no Message-ID of this gateway"]);
  await gateway.stop();
  expect(await faultOf(await idOf("nobody@example.com"))).toEqual([
    1,
    "is still in the queue of this gateway",
  ]);
  expect(await faultOf(await idOf("unknown@example.com"))).toEqual([3, nothing]);
});
