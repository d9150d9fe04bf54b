// The process of power.test.ts: opens a data folder, looks whether all is there that was acknowledged before, and then
// relays, queues and removes until it is killed. Plain JavaScript on compiled sources, since a disk is preloaded.
import { readFileSync, writeSync } from "node:fs";
import { join } from "node:path";

const [sources, folder, known] = process.argv.slice(2);
const { openEmbeddedLedger } = await import(join(sources, "ledger/embedded/embedded.js"));
const { encodeBase32 } = await import(join(sources, "runtime/base32.js"));
const { systemClock } = await import(join(sources, "runtime/clock.js"));
const { openSpool } = await import(join(sources, "spool/spool.js"));
const { createDiskStorage } = await import(join(sources, "storage/disk.js"));
const { relayed, queued, next } = JSON.parse(readFileSync(known, "utf8"));
const say = (...words) => writeSync(1, `${words.join(" ")}\n`);

function keyOf(number) {
  const key = Buffer.alloc(20);
  // Spread as real ids are.
  for (let word = 0; word < 5; word++)
    key.writeUInt32BE(Math.imul(number + 1, 2654435761 + word * 40503) >>> 0, word * 4);
  return key;
}
const idOf = (number) => encodeBase32(keyOf(number));
const digest = new Uint8Array(16);
const submissionOf = (number) => `submission${String(number).padStart(8, "0")}`;

/** Large enough that logs end and tables are written and merged within a second. */
const BODY_OCTETS = 30_000;
const LARGE_EVERY = 7;

const warn = (event, fields) => {
  if (event.startsWith("data.")) say("warned", event, JSON.stringify(fields));
};
const log = { debug() {}, info() {}, warn, error: warn };

say("opening");
const storage = createDiskStorage(folder, log);
const spool = await openSpool(storage);
/** With their content. What was being removed may have come back without it. */
const found = new Set();
for await (const [{ submission }, , hasContent] of spool.load()) if (hasContent) found.add(submission);
const ledger = await openEmbeddedLedger({
  storage,
  clock: systemClock,
  log,
  retentionMs: 30 * 86_400_000,
  firstCapacity: 200,
});
const missing = queued.filter((number) => !found.has(submissionOf(number)));
const results = await ledger.claim(relayed.map((number) => ({ id: idOf(number), digest })));
const forgotten = relayed.filter((_, index) => results[index].kind !== "repeat");
say("opened", JSON.stringify({ missing, forgotten }));

async function relay(number) {
  const [{ kind, claim }] = await ledger.claim([{ id: idOf(number), digest }]);
  // Of the life before: attempted or relayed, and not acknowledged.
  if (kind === "repeat") return;
  ledger.accepted([claim]);
  await ledger.attempt(claim, "Mon, 1 Jan 2024 00:00:00 +0000");
  await ledger.settle(claim, "relayed");
  say("relayed", number);
}

async function queue(number) {
  const id = submissionOf(number);
  const isLarge = number % LARGE_EVERY === 0;
  if (isLarge) {
    const file = await spool.createBody(id);
    await file.append(Buffer.alloc(BODY_OCTETS, 65));
    await file.close();
  }
  const header = Buffer.from("Subject: x\r\n\r\n");
  await spool.accept({
    submission: {
      ...{ id, acceptedAt: 0, reversePath: "", bodyIn: isLarge ? "file" : "record", eightBit: false },
      ...{ headerSize: header.length, bodySize: BODY_OCTETS },
      header: { slot: 12, setsMessageId: false, date: "", dateStart: 0, dateEnd: 0 },
    },
    header,
    body: isLarge ? undefined : Buffer.alloc(BODY_OCTETS, 65),
    transmissions: [
      {
        ...{ id: idOf(number), messageId: "<a@b.example>", recipient: "r@example.com", size: 10 },
        ...{ sender: {}, digest: "00".repeat(16), acceptedAt: 0, attempts: 0, dueAt: 0 },
      },
    ],
  });
  say("queued", number);
  if (number % 3 === 0) return;
  say("removing", number);
  await spool.remove({ submission: id, index: 0 });
}

let number = next;
async function work() {
  for (;;) {
    const one = number++;
    await queue(one);
    await relay(one);
  }
}
await Promise.all(Array.from({ length: 8 }, work));
