// Data folders to be damaged, as a gateway leaves them: with a queue, a body file, doubts, several generations and
// their filters. Made once, copied for each case.
import { cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import type { Ledger } from "../../src/ledger/ledger.ts";
import { gatewayIdOf } from "../../src/ledger/shared/gateway-id.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { silentLog } from "../../src/runtime/log.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { type NewSubmission, openSpool, type Spool } from "../../src/spool/spool.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { readSeals } from "../../src/storage/seal.ts";
import { digestOf } from "../conformance/ledger.ts";
import { pseudoIds } from "../support/ids.ts";

export const RETENTION_MS = 30 * 86_400_000;
export const FIRST_CAPACITY = 24;
export const BODY = Buffer.alloc(70_000, "A line of text that is a body.\r\n");

export interface Folders {
  /** Stopped in order. */
  readonly clean: string;
  /** As SIGKILL leaves it. */
  readonly killed: string;
  /** Of the same run, before the later half of its mail. */
  readonly earlier: string;
  /** Of the run before that, stopped in order. */
  readonly older: string;
  /** Relayed in all. */
  readonly relayed: readonly Uint8Array[];
  /** Transmissions in the queue. */
  readonly queued: number;
  readonly doubts: number;
  /** A copy for one case, which is removed with the next. */
  copy(from: string): string;
  remove(): void;
}

const submissionOf = (number: number, bodyIn: "record" | "file"): NewSubmission => {
  const id = `submission${String(number).padStart(6, "0")}`;
  const header = Buffer.from("Subject: x\r\n\r\n");
  const [key] = [...pseudoIds(`queued ${number}`, 1)] as [Uint8Array];
  return {
    submission: {
      ...{ id, acceptedAt: 0, reversePath: "a@sender.example", bodyIn, eightBit: false },
      ...{ headerSize: header.length, bodySize: bodyIn === "file" ? BODY.length : 6 },
      header: { slot: 12, setsMessageId: false, date: "", dateStart: 0, dateEnd: 0 },
    },
    header,
    body: bodyIn === "file" ? undefined : Buffer.from("body\r\n"),
    transmissions: [
      {
        ...{ id: encodeBase32(key), messageId: "<a@b.example>", recipient: "r@example.com", size: 10 },
        ...{ sender: {}, digest: "00".repeat(16), acceptedAt: 0, attempts: 0, dueAt: 0 },
      },
    ],
  };
};

async function relay(ledger: Ledger, keys: readonly Uint8Array[], doubtful = false): Promise<void> {
  for (const key of keys) {
    const [result] = await ledger.claim([{ id: encodeBase32(key), digest: digestOf(1) }]);
    if (result?.kind !== "claimed") throw new Error(`a new id is ${result?.kind}`);
    ledger.accepted([result.claim]);
    await ledger.attempt(result.claim, "Mon, 1 Jan 2024 00:00:00 +0000");
    await ledger.settle(result.claim, doubtful ? "doubtful" : "relayed");
    if (doubtful) await ledger.release([result.claim]);
  }
}

async function queue(spool: Spool, number: number, bodyIn: "record" | "file" = "record"): Promise<void> {
  if (bodyIn === "file") {
    const body = await spool.createBody(`submission${String(number).padStart(6, "0")}`);
    await body.append(BODY);
    await body.close();
  }
  await spool.accept(submissionOf(number, bodyIn));
}

/** Resolves when the seals say all that is on the disk. */
async function sealed(folder: string): Promise<void> {
  for (;;) {
    const { seal } = await readSeals(folder);
    const isAll = Object.entries(seal?.stores ?? {}).every(([name, { logs, manifest }]) => {
      const newest = filesIn(join(folder, name))
        .filter((file) => file.endsWith(".log"))
        .sort()
        .at(-1) as string;
      const names = filesIn(join(folder, name))
        .filter((file) => file.startsWith("MANIFEST"))
        .sort();
      return (
        logs.at(-1)?.octets === statSync(join(folder, name, newest)).size &&
        Number(newest.slice(0, -4)) === logs.at(-1)?.number &&
        statSync(join(folder, name, names.at(-1) as string)).size === manifest.octets
      );
    });
    const stores = Object.keys(seal?.stores ?? {}).length;
    if (
      isAll &&
      stores === filesIn(join(folder, "ledger")).filter((name) => /\/CURRENT$/.test(name)).length + 1
    )
      return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Paths of all files, relative to the folder. */
export function filesIn(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

export async function makeFolders(): Promise<Folders> {
  // In memory where that is possible: there are hundreds of starts, and nothing here depends on a real disk.
  const root = mkdtempSync(join(existsSync("/dev/shm") ? "/dev/shm" : tmpdir(), "mailonce-damage-"));
  const data = join(root, "data");
  const keys = [...pseudoIds("relayed", 90)];
  const doubtful = [...pseudoIds("doubtful", 3)];
  const open = async () => {
    const storage = createDiskStorage(data);
    const spool = await openSpool(storage);
    for await (const _ of spool.load());
    const options = { storage, clock: systemClock, log: silentLog };
    const ledger = await openEmbeddedLedger({
      ...options,
      retentionMs: RETENTION_MS,
      firstCapacity: FIRST_CAPACITY,
    });
    return { storage, spool, ledger };
  };
  const snapshot = (name: string): string => {
    const to = join(root, name);
    cpSync(data, to, { recursive: true });
    return to;
  };

  const first = await open();
  await gatewayIdOf(first.storage, systemRandom);
  await relay(first.ledger, keys.slice(0, 30));
  await relay(first.ledger, doubtful.slice(0, 1), true);
  for (const number of [1, 2]) await queue(first.spool, number);
  await first.ledger.close();
  await first.spool.close();
  const older = snapshot("older");
  // What lay in logs goes into tables.
  const second = await open();
  await relay(second.ledger, keys.slice(30, 60));
  await relay(second.ledger, doubtful.slice(1, 2), true);
  await queue(second.spool, 3, "file");
  await sealed(data);
  const earlier = snapshot("earlier");
  // So many seals later that no file of them is the one before the last.
  for (const from of [60, 70, 80]) {
    await relay(second.ledger, keys.slice(from, from + 10));
    await sealed(data);
  }
  await relay(second.ledger, doubtful.slice(2), true);
  await queue(second.spool, 4);
  await sealed(data);
  const killed = snapshot("killed");
  await second.ledger.close();
  await second.spool.close();
  const clean = snapshot("clean");

  let last: string | undefined;
  let copies = 0;
  return {
    ...{ clean, killed, earlier, older, relayed: keys, queued: 4, doubts: doubtful.length },
    copy(from) {
      if (last !== undefined) rmSync(last, { recursive: true });
      last = join(root, `case-${copies++}`);
      cpSync(from, last, { recursive: true });
      return last;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
