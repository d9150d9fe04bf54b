// `reply = "relayed"`: the client hears what the upstream said, and a retry of it is always safe.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt, test as testWithPlace } from "../support/place.ts";
import type { GatewayProcess, Settings } from "../support/process.ts";
import type { ScriptedSmtp, SmtpScript } from "../support/scripted-smtp.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";
import type { SmtpFault } from "../support/smtp-faults.ts";

interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
}

const start = (place: Place, port: number, settings: Settings = {}): Promise<GatewayProcess> =>
  place.start({ SMTP_REPLY: "relayed", SPOOL_RETRY_MIN: "50ms", ...smtpAt(port), ...settings });

async function open(place: Place, script: SmtpScript, settings: Settings = {}): Promise<Site> {
  const upstream = await place.smtp({ script, keepContents: true });
  return { upstream, gateway: await start(place, upstream.port, settings) };
}

/** `site` is one gateway for all tests that leave it running. */
const test = testWithPlace.extend("site", { scope: "file" }, ({ shared }) =>
  open(shared, "accept", { UPSTREAM_CONCURRENCY: 1 }),
);

/** The fault, once. */
function once(fault: SmtpFault): SmtpScript {
  let isPlayed = false;
  return () => {
    if (isPlayed) return "accept";
    isPlayed = true;
    return fault;
  };
}

const submit = (
  { gateway }: Pick<Site, "gateway">,
  task: string,
  to: readonly string[] = ["user@example.com"],
): Promise<string> => submitMail(gateway.port, { to, content: taskMail(task) });

/** What the upstream takes from now on. */
function takenFrom({ upstream }: Site) {
  const before = upstream.taken.length;
  return () => upstream.taken.slice(before);
}

test("taken: 250, and the repeat too", async ({ site }) => {
  const taken = takenFrom(site);
  const task = randomUUID();
  expect(await submit(site, task)).toBe("250 2.0.0 1 relayed");
  expect(await submit(site, task)).toMatch(/^250 2\.0\.0 repeat of/);
  expect(taken()).toHaveLength(1);
});

test("refused for now: 451, and the retry is a new attempt", async ({ site }) => {
  // Each connection draws its fault when it opens; the one that is there has drawn.
  site.upstream.dropAll();
  site.upstream.play(once("refuse-rcpt-4"));
  const taken = takenFrom(site);
  const task = randomUUID();
  expect(await submit(site, task)).toMatch(/^451 4\.3\.0 the upstream refused it for now/);
  expect(await submit(site, task)).toBe("250 2.0.0 1 relayed");
  expect(taken()).toHaveLength(1);
});

test("refused for good: 554 naming whom, and no report by mail", async ({ place }) => {
  const site = await open(place, once("refuse-rcpt-5"), { UPSTREAM_CONCURRENCY: 1 });
  const { gateway, upstream } = site;
  const task = randomUUID();
  expect(await submit(site, task, ["one@example.com", "two@example.com"])).toMatch(
    /^554 5\.0\.0 refused by the upstream for one@example\.com: 550 5\.1\.1 no such mailbox/,
  );
  expect(upstream.taken.map(({ recipients }) => recipients)).toEqual([["two@example.com"]]);
  expect(await gateway.stop()).toBe(0);
  expect((await start(place, upstream.port)).said("spool.recovered")).toEqual([]);
});

test("several recipients, one refused for now: 451, and the retry relays only that one", async ({ site }) => {
  const { upstream } = site;
  upstream.dropAll();
  upstream.play(once("refuse-rcpt-4"));
  const taken = takenFrom(site);
  const repeated = upstream.repeated();
  const task = randomUUID();
  const to = ["one@example.com", "two@example.com", "three@example.com"];
  expect(await submit(site, task, to)).toMatch(/^451 4\.3\.0 /);
  expect(taken()).toHaveLength(2);
  expect(await submit(site, task, to)).toMatch(/^250 2\.0\.0 /);
  expect(
    taken()
      .map(({ recipients }) => recipients[0])
      .sort(),
  ).toEqual([...to].sort());
  expect(upstream.repeated()).toEqual(repeated);
});

test("upstream down: 451 at once, and 250 when it is back", async ({ place }) => {
  const gateway = await start(place, await freePort());
  const task = randomUUID();
  expect(await submit({ gateway }, task)).toMatch(/^451 4\.3\.0 /);
  await gateway.stop();
  expect(await submit(await open(place, "accept"), task)).toBe("250 2.0.0 1 relayed");
});

test("a second copy waits for the verdict of the first", async ({ site }) => {
  const { gateway, upstream } = site;
  upstream.dropAll();
  upstream.play(once("held-reply"));
  const taken = takenFrom(site);
  const repeats = gateway.said("transmission.repeat").length;
  const task = randomUUID();
  const struck = upstream.struck();
  const first = submit(site, task);
  await struck;
  const second = submit(site, task);
  await gateway.logged("transmission.repeat", repeats + 1);
  upstream.release();
  expect(await first).toBe("250 2.0.0 1 relayed");
  expect(await second).toMatch(/^250 2\.0\.0 repeat of/);
  expect(taken()).toHaveLength(1);
});

test("an answer that is lost, resend: 451, the retry carries the same Message-ID and the first Date", async ({
  place,
}) => {
  const { gateway, upstream } = await open(place, once("drop-before-reply"));
  const task = randomUUID();
  const client = await connectSmtp(gateway.port);
  const dated = (date: string) => taskMail(task).replace(/^Date: .*$/m, `Date: ${date}`);
  const first = "Tue, 10 Dec 2013 12:13:06 +0200";
  const submitted = (content: string) => client.submit({ to: ["user@example.com"], content });
  expect(await submitted(dated(first))).toMatch(/^451 4\.4\.2 /);
  expect(await submitted(dated("Wed, 11 Dec 2013 01:00:00 +0100"))).toBe("250 2.0.0 1 relayed");
  await client.quit();
  const contents = upstream.taken.map(({ octets }) => Buffer.from(octets).toString("latin1"));
  expect(contents).toHaveLength(2);
  for (const content of contents) expect(content).toContain(`\r\nDate: ${first}\r\n`);
  expect(upstream.repeated()).toHaveLength(1);
  expect(gateway.said("transmission.doubtful")).toHaveLength(2);
});

test("an answer that is lost, hold: 451 to every retry until an operator decides", async ({ place }) => {
  const site = await open(place, once("drop-before-reply"), { LEDGER_DOUBTFUL: "hold" });
  const { taken } = site.upstream;
  const task = randomUUID();
  expect(await submit(site, task)).toMatch(/^451 4\.4\.2 /);
  expect(await submit(site, task)).toMatch(/^451 4\.4\.2 /);
  expect(taken).toHaveLength(1);
});

test("an answer that is lost, drop: 250, never transmitted again", async ({ place }) => {
  const site = await open(place, once("drop-before-reply"), { LEDGER_DOUBTFUL: "drop" });
  const { taken } = site.upstream;
  const task = randomUUID();
  expect(await submit(site, task)).toBe("250 2.0.0 1 relayed");
  expect(await submit(site, task)).toMatch(/^250 2\.0\.0 repeat of/);
  expect(taken).toHaveLength(1);
});

test("killed while the client waits: the retry gets the verdict, nothing twice", async ({ place }) => {
  const site = await open(place, "held-reply");
  const { gateway, upstream } = site;
  const task = randomUUID();
  const struck = upstream.struck();
  const lost = submit(site, task).catch((error: Error) => error.message);
  await struck;
  await gateway.kill();
  expect(await lost).toBe("connection closed");
  upstream.play("accept");
  const again = await start(place, upstream.port, { LEDGER_DOUBTFUL: "drop" });
  expect(await submit({ gateway: again }, task)).toMatch(/^250 2\.0\.0 /);
});
