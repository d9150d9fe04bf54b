// What the spool keeps in memory is what its store holds, whatever is accepted, changed and taken out.
import fc from "fast-check";
import { expect, test } from "vitest";
import type { SpooledTransmission, Submission } from "../../src/spool/record.ts";
import { openSpool, type Spool } from "../../src/spool/spool.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

const SUBMISSION: Omit<Submission, "id" | "headerSize" | "bodySize"> = {
  acceptedAt: 0,
  reversePath: "a@sender.example",
  header: { slots: [] } as unknown as Submission["header"],
  bodyIn: "record",
  eightBit: false,
};

const transmission = (recipient: string): SpooledTransmission => ({
  id: "a".repeat(32),
  messageId: "<a@b.example>",
  recipient,
  size: 10,
  sender: {},
  digest: "00".repeat(16),
  acceptedAt: 0,
  attempts: 0,
  dueAt: 0,
});

/** Without what memory-storage knows of a process: the spool that is opened next has nothing in memory. */
async function readAll(spool: Spool, keys: readonly { submission: string; index: number }[]) {
  return await Promise.all(
    keys.map(async (key) => {
      const mail = await spool.read(key);
      if (mail?.kind !== "whole") return mail;
      const octets: Uint8Array[] = [];
      for await (const chunk of mail.bodyOctets()) octets.push(chunk);
      const { submission, header, transmission: one } = mail;
      return JSON.stringify({
        ...{ submission, one, header: Buffer.from(header.octets).toString("hex") },
        body: Buffer.concat(octets).toString("hex"),
      });
    }),
  );
}

test("what is read from memory is what would be read from the disk", async () => {
  const step = fc.oneof(
    fc.record({
      kind: fc.constant("accept" as const),
      header: fc.uint8Array({ maxLength: 40 }),
      body: fc.uint8Array({ maxLength: 40 }),
      recipients: fc.integer({ min: 1, max: 4 }),
    }),
    fc.record({
      kind: fc.constantFrom("update" as const, "remove" as const),
      which: fc.nat(20),
      value: fc.nat(9),
    }),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30, size: "max" }), async (steps) => {
      const storage = createMemoryStorage();
      const spool = await openSpool(storage);
      const keys: { submission: string; index: number }[] = [];
      const gone = new Set<number>();
      let next = 0;
      for (const one of steps) {
        if (one.kind === "accept") {
          const id = `s${String(next++).padStart(15, "a")}`;
          const added = Array.from({ length: one.recipients }, (_, index) =>
            transmission(`r${index}@example.net`),
          );
          await spool.accept({
            submission: { ...SUBMISSION, id, headerSize: one.header.length, bodySize: one.body.length },
            header: one.header,
            body: one.body,
            transmissions: added,
          });
          keys.push(...added.map((_, index) => ({ submission: id, index })));
          continue;
        }
        const at = keys.length === 0 ? -1 : one.which % keys.length;
        const key = keys[at];
        if (key === undefined || gone.has(at)) continue;
        if (one.kind === "update")
          await spool.update(key, { ...transmission("changed"), attempts: one.value });
        else {
          await spool.remove(key);
          gone.add(at);
        }
      }
      const fromMemory = await readAll(spool, keys);
      await spool.close();
      const again = await openSpool(storage);
      expect(fromMemory).toEqual(await readAll(again, keys));
      expect(fromMemory.map((mail) => mail === undefined)).toEqual(keys.map((_, at) => gone.has(at)));
      await again.close();
    }),
    { numRuns: 60 },
  );
});
