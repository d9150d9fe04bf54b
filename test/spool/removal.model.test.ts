// Transmissions leave the spool one by one, together, twice, while the disk fails with and without effect, and
// power is lost in between: the content of one that stays is always there, and nothing that left comes back alone.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SpooledTransmission, TransmissionKey } from "../../src/spool/record.ts";
import { type NewSubmission, openSpool, type Spool } from "../../src/spool/spool.ts";
import { StorageError, type Store } from "../../src/storage/storage.ts";
import { createMemoryStorage, type MemoryStorage } from "../support/memory-storage.ts";

const QUEUE = "spool/queue";

/**
 * How one commit or write of the store goes. kept: it has taken effect and says that it failed. undone: a write says
 * that it is good and is lost, as a disk that fails afterwards may do to what was not synced.
 */
type Fate = "good" | "lost" | "kept" | "undone";

type Deed =
  | { readonly kind: "remove" | "update"; readonly which: number }
  | { readonly kind: "replace"; readonly which: number; readonly hasNotice: boolean }
  | { readonly kind: "accept"; readonly recipients: number };

const transmission = (recipient: string): SpooledTransmission => ({
  ...{ id: "a".repeat(32), messageId: "<a@b.example>", recipient, size: 10, sender: {} },
  ...{ digest: "00".repeat(16), acceptedAt: 0, attempts: 0, dueAt: 0 },
});

const submissionOf = (id: string, recipients: number): NewSubmission => {
  const header = Buffer.from(`Subject: ${id}\r\n\r\n`);
  const body = Buffer.from(`body of ${id}\r\n`);
  return {
    submission: {
      ...{ id, acceptedAt: 0, reversePath: "a@sender.example", bodyIn: "record", eightBit: false },
      ...{ headerSize: header.length, bodySize: body.length },
      header: { slot: 0, setsMessageId: false, date: "", dateStart: 0, dateEnd: 0 },
    },
    header,
    body,
    transmissions: Array.from({ length: recipients }, (_, index) => transmission(`r${index}@x.example`)),
  };
};

const nameOf = ({ submission, index }: TransmissionKey): string => `${submission}/${index}`;

/** The ids of the submissions, and the names of the transmissions, that a start would find. */
function stored(storage: MemoryStorage) {
  const keys = [...(storage.view(QUEUE)?.visible.keys() ?? [])];
  const named = (prefix: string) => keys.filter((key) => key[0] === prefix).map((key) => key.slice(1));
  const transmissions = named("t").map((key) => key.replace(/0{1,5}(\d+)$/, "$1"));
  return { contents: new Set(named("s")), transmissions: new Set(transmissions) };
}

/** A spool whose store calls take their turns as the scheduler says, and fail as the fates do. */
function failing(storage: MemoryStorage, fates: readonly Fate[]) {
  let calls = 0;
  const fated = async (change: () => Promise<void>, isCommit: boolean): Promise<void> => {
    const fate = fates[calls++] ?? "good";
    if (fate === "undone" && !isCommit) return;
    if (fate !== "lost") await change();
    if (fate === "lost" || fate === "kept") throw new StorageError("unavailable", "made to fail");
  };
  return openSpool({
    ...storage,
    async openStore(name, kept) {
      const store: Store = await storage.openStore(name, kept);
      return {
        ...store,
        commit: (operations) => fated(() => store.commit(operations), true),
        write: (operations) => fated(() => store.write(operations), false),
      };
    },
  });
}

/** As the recorder does. Undefined: the power was lost before it was known. */
async function untilKnown<T>(deed: () => Promise<T>, isOff: () => boolean): Promise<T | undefined> {
  while (!isOff()) {
    try {
      return await deed();
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
  return undefined;
}

const RECIPIENTS = 3;
const SUBMISSIONS = ["first00000000000", "second0000000000"];

async function history(
  schedule: fc.Scheduler,
  deeds: readonly Deed[],
  fates: readonly Fate[],
  crash: { readonly after: number; readonly kept: number } | undefined,
): Promise<void> {
  let isRunning = false;
  const storage = createMemoryStorage({
    pause: async (call) => {
      if (isRunning) await schedule.schedule(Promise.resolve(), call);
    },
  });
  const before = await openSpool(storage);
  for (const id of SUBMISSIONS) await before.accept(submissionOf(id, RECIPIENTS));
  await before.close();
  const spool = await failing(storage, fates);
  const keys: TransmissionKey[] = [];
  for await (const [key, , hasContent] of spool.load()) {
    expect(hasContent).toBe(true);
    keys.push(key);
  }

  let isOff = false;
  const asked = new Set<string>();
  /** Those whose removal is durable. */
  const gone = new Set<string>();
  const left = new Set<string>();
  /** By transmission: how many of those that asked for its removal made it. */
  const made = new Map<string, number>();
  const notices = new Map<string, string>();
  const accepted: string[] = [];

  const one = async (deed: Deed, number: number): Promise<void> => {
    const id = `new${String(number).padStart(13, "0")}`;
    if (deed.kind === "accept") {
      const done = await spool.accept(submissionOf(id, deed.recipients)).then(
        () => true,
        () => false,
      );
      if (done) accepted.push(id);
      return;
    }
    const key = keys[deed.which % keys.length] as TransmissionKey;
    const name = nameOf(key);
    if (deed.kind === "update") {
      await spool.update(key, { ...transmission("changed"), attempts: number }).catch(() => {});
      return;
    }
    asked.add(name);
    const notice = deed.kind === "replace" && deed.hasNotice ? submissionOf(id, 1) : undefined;
    const found = await untilKnown(
      () => (deed.kind === "remove" ? spool.remove(key) : spool.replace(key, notice)),
      () => isOff,
    );
    if (found !== undefined) left.add(name);
    if (found === "done") made.set(name, (made.get(name) ?? 0) + 1);
    if (found === "done" && deed.kind === "replace") gone.add(name);
    if (notice === undefined || found === undefined) return;
    if (found === "done") notices.set(id, name);
    else expect(stored(storage).contents).not.toContain(id);
  };

  isRunning = true;
  const all = Promise.all(deeds.map(one));
  if (crash === undefined) await schedule.waitFor(all);
  else {
    for (let step = 0; step < crash.after && schedule.count() > 0; step++) await schedule.waitOne();
    isOff = true;
    storage.crash((unsynced) => Math.round(crash.kept * unsynced));
    // What was known by now; what is said afterwards comes from a machine without power.
    const known = { gone: [...gone], notices: [...notices], accepted: [...accepted] };
    await schedule.waitFor(all);
    isRunning = false;
    const { contents, transmissions } = stored(storage);
    for (const name of transmissions) expect(contents).toContain(name.split("/")[0]);
    for (const name of known.gone) expect(transmissions).not.toContain(name);
    for (const [id] of known.notices) expect(transmissions).toContain(`${id}/0`);
    for (const id of known.accepted) expect(transmissions).toContain(`${id}/0`);
    await lookAgain(storage, keys, asked);
    return;
  }
  isRunning = false;
  const { contents, transmissions } = stored(storage);
  for (const name of transmissions) expect(contents).toContain(name.split("/")[0]);
  if (!fates.includes("undone")) {
    for (const name of left) expect(transmissions).not.toContain(name);
    for (const id of contents) {
      expect([...transmissions].some((name) => name.startsWith(`${id}/`))).toBe(true);
    }
    for (const key of keys) expect((await spool.read(key)) === undefined).toBe(left.has(nameOf(key)));
  }
  for (const [id] of notices) expect(transmissions).toContain(`${id}/0`);
  // Of all that asked for it one did it; where that one had a notice, it is there, and no other.
  for (const name of asked) expect(made.get(name)).toBe(1);
  await spool.close();
  await lookAgain(storage, keys, asked);
}

/** The next start: whatever nobody asked to be taken out is whole, and no content is left over. */
async function lookAgain(storage: MemoryStorage, keys: readonly TransmissionKey[], asked: Set<string>) {
  const spool: Spool = await openSpool(storage);
  for await (const [, , hasContent] of spool.load()) expect(hasContent).toBe(true);
  for (const key of keys) {
    if (asked.has(nameOf(key))) continue;
    const mail = await spool.read(key);
    if (mail?.kind !== "whole") throw new Error(`${nameOf(key)} is lost`);
    expect(Buffer.from(mail.body ?? []).toString()).toBe(`body of ${key.submission}\r\n`);
  }
  const { contents, transmissions } = stored(storage);
  for (const id of contents) expect([...transmissions].some((name) => name.startsWith(`${id}/`))).toBe(true);
  await spool.close();
}

const which = fc.nat(SUBMISSIONS.length * RECIPIENTS - 1);
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("remove" as const), which }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant("replace" as const), which, hasNotice: fc.boolean() }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("update" as const), which }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: fc.constant("accept" as const),
      recipients: fc.integer({ min: 1, max: 2 }),
    }),
  },
);
/** In half of all histories nothing is undone, since that says more about what is gone. */
const fates = (...of: Fate[]) => fc.array(fc.constantFrom(...of), { maxLength: 10, size: "max" });

test("whatever leaves at the same time, however the disk fails, what stays has its content", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.scheduler(),
      fc.array(deed, { minLength: 2, maxLength: 12, size: "max" }),
      fc.oneof(fates("good", "good", "lost", "kept"), fates("good", "lost", "kept", "undone")),
      fc.option(fc.record({ after: fc.nat(40), kept: fc.double({ min: 0, max: 1, noNaN: true }) }), {
        nil: undefined,
      }),
      history,
    ),
    { numRuns: Number(process.env.SPOOL_RUNS ?? 800) },
  );
});
