// A gateway is drained by the built command: no new mail, all that is there relayed, and then it ends.
import { type ChildProcess, spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { createInterface } from "node:readline";
import { expect } from "vitest";
import { askGateway, gatewayDesk } from "../../src/operator/http/client.ts";
import { askAt } from "../support/http-place.ts";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import { environmentOf, type GatewayProcess, MAIN, run, type Settings } from "../support/process.ts";
import { connectSmtp, openSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

const submit = ({ port }: GatewayProcess, task = randomUUID()): Promise<string> =>
  submitMail(port, { to: ["reader@example.net"], content: taskMail(task) });

interface Draining {
  readonly child: ChildProcess;
  /** Resolves when it has printed a line like this. */
  printed(like: RegExp): Promise<void>;
  readonly ended: Promise<{
    readonly code: number | null;
    readonly lines: readonly string[];
    readonly stderr: string;
  }>;
}

/** The command, as it goes on. */
function drain(place: Place, settings: Settings): Draining {
  const child = spawn(process.execPath, [MAIN, "drain", "--until-empty", "--reason", "a scale-down"], {
    env: environmentOf(settings),
  });
  place.atEnd(() => child.kill("SIGKILL"));
  const lines: string[] = [];
  const checks = new Set<() => void>();
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    lines.push(line);
    for (const check of checks) check();
  });
  const ended = new Promise<{ code: number | null; lines: string[]; stderr: string }>((resolve) =>
    child.once("close", (code) => resolve({ code, lines, stderr })),
  );
  const printed = (like: RegExp): Promise<void> =>
    new Promise((resolve, reject) => {
      const check = (): void => {
        if (lines.some((line) => like.test(line))) resolve();
      };
      checks.add(check);
      check();
      void ended.then((end) => reject(new Error(JSON.stringify(end))));
    });
  return { child, printed, ended };
}

test("no new mail is taken, what is there is relayed, then both end with exit code 0", async ({ place }) => {
  const upstream = await place.smtp({ script: "held-reply" });
  const settings = { DATA_DIR: place.data, ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  const struck = upstream.struck();
  await submit(gateway);
  await struck;
  const [idle, busy] = [await connectSmtp(gateway.port), await connectSmtp(gateway.port)];
  await busy.command("MAIL FROM:<a@example.org>");

  const draining = drain(place, settings);
  await draining.printed(/^left: 1 under way$/);
  const takesNone = /^421 4\.3\.2 this gateway takes no more mail, try another one or later$/;
  const late = await openSmtp(gateway.port);
  expect(await late.reply()).toMatch(takesNone);
  expect(await idle.command("MAIL FROM:<a@example.org>")).toMatch(takesNone);
  await expect(idle.reply()).rejects.toThrow();
  // What was begun before is taken to its end.
  expect(await busy.command("RCPT TO:<late@example.net>")).toMatch(/^250/);
  await busy.command("DATA");
  busy.write(`${taskMail(randomUUID())}.\r\n`);
  expect(await busy.reply()).toMatch(/queued as/);

  const port = Number(String(gateway.said("gateway.listening")[0]?.http).split(":").at(-1));
  const ready = await askAt(port, "/readyz");
  expect([ready.status, JSON.parse(ready.body)]).toEqual([
    503,
    {
      ...{ status: 503, title: "Not ready", detail: "the gateway drains: it takes no more mail" },
      ...{ ledger: "up", upstreams: { upstream: "running" } },
    },
  ]);
  const status = await run(["status"], settings);
  expect([status.code, status.stdout.split("\n")[0]]).toEqual([
    4,
    expect.stringMatching(/^⚠ it drains: no mail has been taken for \d+ s\. It ends when its queue is empty/),
  ]);

  upstream.release();
  upstream.play("accept");
  expect(await gateway.exited).toBe(0);
  expect(gateway.said("operator.draining")).toMatchObject([{ reason: "a scale-down" }]);
  expect(gateway.said("gateway.drained")).toHaveLength(1);
  const { code, lines, stderr } = await draining.ended;
  expect([code, stderr, lines.at(-1)]).toEqual([
    ...[0, "", `drained: no gateway runs on ${place.data}, and its queue is empty`],
  ]);
  expect(upstream.taken).toHaveLength(2);
  expect(await run(["drain", "--until-empty"], settings)).toMatchObject({ code: 0 });
});

test("what keeps it is said: a pause, and mail in doubt; decided, it ends", async ({ place }) => {
  const upstream = await place.smtp({ script: "drop-before-reply" });
  const settings = { DATA_DIR: place.data, LEDGER_DOUBTFUL: "hold", ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  await submit(gateway);
  await gateway.logged("transmission.doubtful");
  await run(["pause", "--reason", "a move"], settings);
  await submit(gateway);
  const draining = drain(place, settings);
  await draining.printed(/^left: 1 due; 1 in doubt wait for `mailonce doubtful resolve`$/);
  await draining.printed(/^ {2}⚠ an operator has paused upstream for \d+ s: a move\./);
  upstream.play("accept");
  await run(["resume"], settings);
  await gateway.logged("transmission.relayed");
  const [held] = await gatewayDesk(place.data).list();
  await gatewayDesk(place.data).resolve(String(held?.id), "relayed");
  expect(await gateway.exited).toBe(0);
  expect((await draining.ended).code).toBe(0);
});

test("a command that is interrupted leaves it draining; the next says so, and a restart ends it", async ({
  place,
}) => {
  const settings = { DATA_DIR: place.data, ...smtpAt(await freePort()) };
  const gateway = await place.start(settings);
  await submit(gateway);
  const first = drain(place, settings);
  await first.printed(/^left: /);
  first.child.kill("SIGINT");
  expect((await first.ended).lines.at(-1)).toBe("the gateway goes on draining; a restart of it ends that");
  const second = drain(place, settings);
  await second.printed(
    /^this gateway takes no more mail already, since 20\S+Z; it ends when its queue is empty$/,
  );
  await second.printed(/^ {2}⚠ upstream has taken nothing for .*ECONNREFUSED/);

  await gateway.kill();
  const { code, stderr } = await second.ended;
  // What a killed process leaves may be repaired on the way, which is said before.
  expect(stderr).toContain(`mailonce: no gateway runs on ${place.data}, and 1 mail is in its queue\n`);
  expect(code).toBe(1);
  const next = await place.start(settings);
  expect(await submit(next)).toContain("queued as");
  const { body } = await askGateway(place.data, "GET", "/api/v1/status");
  expect(body).toMatchObject({ phase: "running", lanes: [{ due: { count: 2 } }] });
});

test("without --until-empty it says what that does", async () => {
  expect(await run(["drain"])).toMatchObject({
    code: 2,
    stderr:
      "mailonce: drain takes no more mail, and ends the gateway once its queue is empty: say --until-empty for that\n",
  });
});
