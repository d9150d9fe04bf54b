// The built gateway with SES's events: what is in doubt is settled by what SES says later, and by nothing else.
import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { openEventsSite } from "../support/events-site.ts";
import { endProcess } from "../support/peers.ts";
import { test } from "../support/place.ts";
import { environmentOf, type GatewayProcess, MAIN, run, type Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";
import { runOnTerminal } from "../support/terminal.ts";

const submit = ({ port }: GatewayProcess, content: string): Promise<string> =>
  submitMail(port, { to: ["user@example.com"], content });

/** Of each line about the doubt: whether evidence may come before policy acts. */
const waits = (gateway: GatewayProcess): boolean[] =>
  gateway.said("transmission.doubtful").map(({ waitMs }) => waitMs !== undefined);

describe("an answer that is lost", () => {
  test("is settled by SES's events, though they come twice and in any order; the next copy is a repeat", async ({
    place,
  }) => {
    const site = await openEventsSite(place, "twice", { script: "drop-before-reply" });
    const gateway = await site.start();
    const mail = taskMail(randomUUID());
    const removed = ["DeleteMessageBatch"].map((action) => site.events.answered(action));
    expect(await submit(gateway, mail)).toMatch(/^250 /);
    await gateway.logged("evidence.settled");
    await Promise.all(removed);
    expect(await submit(gateway, mail)).toMatch(/^250 /);
    await gateway.logged("transmission.repeat");
    expect(gateway.said("transmission.repeat")).toMatchObject([{ standing: "relayed" }]);
    expect(gateway.said("evidence.settled")).toHaveLength(1);
    expect(site.peer.taken).toHaveLength(1);
    expect(await gateway.stop()).toBe(0);
  });

  test("without events is decided by policy, at the end of the wait", async ({ place }) => {
    const site = await openEventsSite(place, "never", {
      script: (number) => (number === 0 ? "drop-before-reply" : "accept"),
    });
    const gateway = await site.start({ LEDGER_DOUBTFUL: "resend", UPSTREAM_SES_EVENTS_WAIT: "1s" });
    await submit(gateway, taskMail(randomUUID()));
    await gateway.logged("transmission.relayed");
    expect(waits(gateway)).toEqual([true, false]);
    expect(site.peer.taken).toHaveLength(2);
  });

  test("with events after the wait: what is held goes on listening", async ({ place }) => {
    const site = await openEventsSite(place, "late", { script: "drop-before-reply" });
    const gateway = await site.start({ UPSTREAM_SES_EVENTS_WAIT: "1s" });
    await submit(gateway, taskMail(randomUUID()));
    await gateway.logged("transmission.doubtful", 2);
    expect(waits(gateway)).toEqual([true, false]);
    await site.publisher.late();
    await gateway.logged("evidence.settled");
    expect(site.peer.taken).toHaveLength(1);
  });

  test("by a kill: events that came meanwhile settle it at the next start", async ({ place }) => {
    const site = await openEventsSite(place, "late", { script: "hang-before-reply" });
    const gateway = await site.start();
    await submit(gateway, taskMail(randomUUID()));
    await site.peer.waitFor(1);
    await gateway.kill();
    await site.publisher.late();
    const again = await site.start();
    await again.logged("evidence.settled");
    expect(site.peer.taken).toHaveLength(1);
  });
});

test("an event that comes before the answer waits in the queue for the end of the attempt", async ({
  place,
}) => {
  const site = await openEventsSite(place, "once", { script: "held-reply" });
  const gateway = await site.start();
  const shown = site.events.answered("ChangeMessageVisibilityBatch");
  await submit(gateway, taskMail(randomUUID()));
  await shown;
  expect(site.events.calls.filter(({ action }) => action === "DeleteMessageBatch")).toEqual([]);
  const removed = site.events.answered("DeleteMessageBatch");
  site.peer.release();
  await gateway.logged("transmission.relayed");
  await removed;
  expect(gateway.said("evidence.settled")).toEqual([]);
  expect(gateway.said("transmission.second_copy")).toEqual([]);
});

test("events of mails without trouble are read and removed, and change nothing", async ({ place }) => {
  const site = await openEventsSite(place, "once");
  const gateway = await site.start();
  for (let count = 0; count < 5; count++) await submit(gateway, taskMail(randomUUID()));
  await gateway.logged("transmission.relayed", 5);
  await site.publisher.published();
  expect(await gateway.stop()).toBe(0);
  const again = await site.start();
  await submit(again, taskMail(randomUUID()));
  await again.logged("transmission.relayed");
  expect([...gateway.said("evidence.settled"), ...again.said("evidence.settled")]).toEqual([]);
});

test("while a mail waits for events nobody is asked to decide, and every list says until when", async ({
  place,
}) => {
  const site = await openEventsSite(place, "never", { script: "drop-before-reply" });
  const settings: Settings = { ...site.settings, DATA_DIR: place.data };
  const gateway = await site.start({ UPSTREAM_SES_EVENTS_WAIT: "2h" });
  await submit(gateway, taskMail(randomUUID()));
  await gateway.logged("transmission.doubtful");
  const until = expect.stringMatching(/^\d{4}-\d\d-\d\dT/);
  const entry = { standing: "held", listensUntil: until, policy: "hold" };

  const status = await run(["status"], settings);
  expect(status.stdout).toMatch(/^✓ mail is taken and relayed\n/);
  expect(status.stdout).toMatch(/\n1 in doubt \(1 waits for SES's events until \S+Z\) · /);
  expect(status.code).toBe(0);
  const list = await run(["doubtful", "list"], settings);
  expect(JSON.parse(list.stdout)).toMatchObject(entry);
  expect(await runOnTerminal(["doubtful", "list"], settings)).toMatch(
    /waits for events +tries.*\n.* held +\d+ s +1 h \d+ min, then hold +1/,
  );
  expect(await runOnTerminal(["queue", "list"], settings)).toMatch(/ doubt, waits 1 h \d+ min /);
  expect(await runOnTerminal(["queue", "show", JSON.parse(list.stdout).id], settings)).toMatch(
    /listensUntil +\d{4}.*\npolicy +hold\n/,
  );

  const draining = spawn(process.execPath, [MAIN, "drain", "--until-empty"], {
    env: environmentOf(settings),
  });
  place.atEnd(() => endProcess(draining));
  const said = await new Promise<string>((resolve) => {
    let text = "";
    draining.stdout.setEncoding("utf8").on("data", (piece: string) => {
      text += piece;
      if (/^left: .*\n/m.test(text)) resolve(text);
    });
  });
  expect(said).toMatch(/^left: in doubt, 1 waits for SES's events until \S+Z$/m);
  // Once the gateway is gone it would open the folder, to see what is left.
  await endProcess(draining);

  expect(await gateway.stop()).toBe(0);
  const stopped = await run(["doubtful", "list"], settings);
  expect(JSON.parse(stopped.stdout)).toMatchObject(entry);
  const explained = await run(["explain", JSON.parse(stopped.stdout).id], settings);
  expect(explained.stdout).toContain(
    "then it is held until somebody decides, and SES's events still settle it.",
  );
});

test("two upstreams that name one queue read it by one loop", async ({ place }) => {
  const site = await openEventsSite(place, "once");
  const ses = `kind = "ses"\nses.endpoint = "${site.peer.endpoint}"\nses.events.queue_url = "${site.events.queueUrl}"\n`;
  const { writeFileSync } = await import("node:fs");
  const file = `${place.folder}/mailonce.toml`;
  writeFileSync(
    file,
    `data_dir = "${place.data}"\n[smtp]\nport = 0\n[http]\nport = 0\n[upstreams.a]\n${ses}[upstreams.b]\n${ses}[[routes]]\nupstreams = ["a", "b"]\n`,
  );
  const polling = site.events.answered("ReceiveMessage");
  const gateway = await place.start({ CONFIG: file });
  await site.events.put("no event");
  await polling;
  await gateway.logged("gateway.listening");
  expect(site.events.underWay("ReceiveMessage")).toBeLessThanOrEqual(1);
  expect(await gateway.stop()).toBe(0);
});
