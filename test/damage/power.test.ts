// Loss of power at any moment, of all that was not yet synced or of a part of it: the next start is never refused, and
// nothing is missing that was acknowledged. POWER_CUTS=1000 is the long run.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, test } from "vitest";
import { createChance } from "../crash/chance.ts";
import { build } from "../crash/gateway-process.ts";
import { createFailingDisk } from "../support/failing-disk.ts";
import { makeFolder } from "../support/process.ts";

const CUTS = Number(process.env.POWER_CUTS ?? 20);
const SEED = Number(process.env.POWER_SEED ?? 20131210);

/** Of one folder: what a cut leaves may only hurt after the next. */
const CUTS_OF_FOLDER = 20;

interface Known {
  readonly relayed: Set<number>;
  readonly queued: Set<number>;
  next: number;
}

const compiled = build();
afterAll(() => compiled.remove());

/** One life. @returns what it said of its start; undefined when it died before */
async function live(
  folder: string,
  file: string,
  environment: NodeJS.ProcessEnv,
  known: Known,
  killed: { at: "opening" | "opened"; afterMs: number },
): Promise<{ opened: string | undefined; warned: string[]; stderr: string }> {
  writeFileSync(
    file,
    JSON.stringify({ relayed: [...known.relayed], queued: [...known.queued], next: known.next }),
  );
  const worker = resolve("test/damage/power-worker.mjs");
  const sources = join(dirname(compiled.main), "../../src");
  const child = spawn(process.execPath, [worker, sources, folder, file], {
    env: { ...process.env, ...environment },
  });
  let opened: string | undefined;
  let stderr = "";
  const warned: string[] = [];
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  createInterface({ input: child.stdout }).on("line", (line) => {
    const [event, ...words] = line.split(" ");
    const number = Number(words[0]);
    if (event === killed.at) setTimeout(() => child.kill("SIGKILL"), killed.afterMs);
    if (event === "opened") opened = words.join(" ");
    if (event === "warned") warned.push(words.join(" "));
    if (event === "relayed") known.relayed.add(number);
    if (event === "queued") known.queued.add(number);
    if (event === "removing") known.queued.delete(number);
    if (event === "queued" || event === "relayed") known.next = Math.max(known.next, number + 100);
  });
  await once(child, "close");
  return { opened, warned, stderr };
}

test(`${CUTS} losses of power, seed ${SEED}: every start opens, and all that was acknowledged is there`, {
  timeout: 3_600_000,
}, async ({ skip }) => {
  const chance = createChance(SEED);
  let lostOctets = 0;
  let started = 0;
  for (let first = 0; first < CUTS; first += CUTS_OF_FOLDER) {
    const place = makeFolder();
    const folder = join(place.path, "data");
    mkdirSync(folder, { mode: 0o700 });
    const disk = createFailingDisk(folder);
    if (disk === undefined) return skip("there is no C compiler");
    const known: Known = { relayed: new Set(), queued: new Set(), next: 0 };
    for (let cut = first; cut < Math.min(first + CUTS_OF_FOLDER, CUTS); cut++) {
      const kind = chance.below(10);
      // While it opens, in its first second, or after some seals.
      const killed =
        kind < 3
          ? ({ at: "opening", afterMs: chance.below(120) } as const)
          : ({ at: "opened", afterMs: chance.below(kind < 8 ? 400 : 2_500) } as const);
      const { opened, warned, stderr } = await live(
        folder,
        join(place.path, "known"),
        disk.environment,
        known,
        killed,
      );
      const context = `cut ${cut}: ${JSON.stringify(killed)}`;
      expect(stderr, context).toBe("");
      // A power cut is no damage.
      expect(warned, context).toEqual([]);
      if (opened !== undefined) {
        started++;
        expect(JSON.parse(opened), context).toEqual({ missing: [], forgotten: [] });
      }
      lostOctets += disk.losePower(chance.below(2) === 0 ? 1 : chance.fraction());
    }
    disk.remove();
    place.remove();
  }
  // The run shows something only if there was something to lose.
  expect(started).toBeGreaterThan(CUTS / 2);
  expect(lostOctets).toBeGreaterThan(0);
  if (process.env.POWER_CUTS !== undefined) {
    process.stdout.write(`${CUTS} cuts, ${started} starts, ${lostOctets} octets lost\n`);
  }
});
