// What an older build says to a data folder that this one has opened: no, by name. And a crash at any step of the
// first opening leaves a folder that this build opens with all that was in it.
import { join, resolve } from "node:path";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type Program, run, type Settings, startProcess } from "../support/process.ts";
import { createScriptedSmtp } from "../support/scripted-smtp.ts";
import { copyOf, KEPT_SETTINGS, keptMails, submitAllKept, those } from "./kept-data.ts";
import { type OldBuild, unpackOldBuild } from "./old-build.ts";

let old: OldBuild;
beforeAll(() => {
  old = unpackOldBuild();
});
afterAll(() => old.remove());

/** A dozen starts each. */
const TIMEOUT_MS = 600_000;

const settingsOf = (folder: string, upstreamPort: number): Settings => ({
  ...KEPT_SETTINGS,
  ...{ DATA_DIR: folder, LEDGER_DOUBTFUL: "hold", SPOOL_RETRY_MIN: "100ms", SPOOL_RETRY_MAX: "200ms" },
  ...{ UPSTREAM_KIND: "smtp", UPSTREAM_SMTP_HOST: "127.0.0.1", UPSTREAM_SMTP_PORT: upstreamPort },
  ...{ UPSTREAM_SMTP_TLS: "none" },
});

async function newPlace(name: string) {
  const upstream = await createScriptedSmtp();
  onTestFinished(() => upstream.close());
  return { upstream, settings: settingsOf(copyOf(name), upstream.port) };
}

/**
 * This build opens the folder, and has all that was in it. What an earlier start was killed with while it attempted it is
 * in doubt now, and held.
 */
async function expectWhole(
  { upstream, settings }: Awaited<ReturnType<typeof newPlace>>,
  name: string,
): Promise<void> {
  const mails = keptMails(name);
  const queued = those(mails, "queued").map(({ recipient }) => recipient);
  const takenNow = () => upstream.taken.flatMap(({ recipients }) => recipients);
  const takenBefore = takenNow();
  const gateway = await startProcess(settings);
  onTestFinished(() => gateway.kill());
  const { code, stdout, stderr } = await run(["doubtful", "list"], settings);
  expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
  const listed = stdout.split("\n").filter((line) => line !== "");
  const inDoubt: string[] = listed.map((line) => JSON.parse(line).recipient);
  const attempted = inDoubt.filter((recipient) => queued.includes(recipient));
  const held = those(mails, "attempted", "doubtful").map(({ recipient }) => recipient);
  expect(inDoubt.sort()).toEqual([...held, ...attempted].sort());
  const left = queued.filter((one) => !takenBefore.includes(one) && !attempted.includes(one));
  await upstream.waitFor(takenBefore.length + left.length);
  for (const reply of await submitAllKept(gateway.port, mails))
    expect(reply).toMatch(/^250 2\.0\.0 repeat of/);
  expect(await gateway.stop()).toBe(0);
  expect(upstream.repeated()).toEqual([]);
  expect(takenNow().sort()).toEqual([...takenBefore, ...left].sort());
}

test.each(["stop", "kill"] as const)(
  "a folder that this build has opened (%s): every command of the older one refuses it by name, and changes nothing",
  async (how) => {
    const place = await newPlace("stopped");
    const gateway = await startProcess(place.settings);
    await place.upstream.waitFor(those(keptMails("stopped"), "queued").length);
    await gateway.logged("transmission.relayed", those(keptMails("stopped"), "queued").length);
    await gateway[how]();
    for (const [command, store] of [
      [["serve"], "spool/queue"],
      [["doubtful", "list"], "spool/queue"],
      [["ledger", "export"], "ledger/state"],
    ] as const) {
      const { code, stdout, stderr } = await run(command, place.settings, undefined, old);
      expect({ code, stdout, stderr }, command.join(" ")).toEqual({
        ...{ code: 1, stdout: "" },
        stderr: `mailonce: ${store} has format 2; this version of mailonce knows only format 1\n`,
      });
    }
    await expectWhole(place, "stopped");
  },
);

test("what this build has exported the older one imports: so a ledger goes back", async () => {
  const { settings } = await newPlace("stopped");
  const exported = join(settings.DATA_DIR as string, "../export");
  expect(await run(["ledger", "export", "--output", exported], settings)).toMatchObject({ code: 0 });
  const before = { ...settings, DATA_DIR: join(settings.DATA_DIR as string, "../old") };
  const { code, stderr } = await run(["ledger", "import", "--input", exported], before, undefined, old);
  expect(stderr).toMatch(/^imported 82 ids .*; 82 new/);
  expect(code).toBe(0);
  const gateway = await startProcess(before, old);
  onTestFinished(() => gateway.kill());
  const known = those(keptMails("stopped"), "relayed");
  for (const reply of await submitAllKept(gateway.port, known))
    expect(reply).toMatch(/^250 2\.0\.0 repeat of/);
});

/** Some of the steps are tried, and the first ones; each with UPGRADE_KILLS=all. */
const nextStep = (at: number): number => (process.env.UPGRADE_KILLS === "all" ? at + 1 : 2 * at);

describe("killed while it opens an old folder for the first time", () => {
  const killing = (at: number): Program => ({
    main: resolve("dist/main.js"),
    options: ["--import", resolve("test/upgrade/kill-at.mjs")],
    environment: { KILL_AT: String(at) },
  });

  /** Resolves to whether the step was reached before it listened. */
  async function isKilledAt(at: number, settings: Settings): Promise<boolean> {
    try {
      const gateway = await startProcess(settings, killing(at));
      await gateway.kill();
      return false;
    } catch (error) {
      expect(String(error)).toContain("ended (SIGKILL)");
      return true;
    }
  }

  test.each(["stopped", "killed"])(
    "%s",
    async (name) => {
      let kills = 0;
      for (let at = 1; ; at = nextStep(at)) {
        const place = await newPlace(name);
        if (!(await isKilledAt(at, place.settings))) break;
        kills++;
        await expectWhole(place, name);
      }
      expect(kills).toBeGreaterThan(4);
    },
    TIMEOUT_MS,
  );
});
