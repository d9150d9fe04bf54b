// A start on a data folder, in this process: what it says, and whether it knows all that it should.

import { openEmbeddedLedger } from "../../src/ledger/embedded/embedded.ts";
import { encodeBase32 } from "../../src/runtime/base32.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import type { Log, LogFields } from "../../src/runtime/log.ts";
import { ContentError, openSpool, type Spool } from "../../src/spool/spool.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { StorageError } from "../../src/storage/storage.ts";
import { digestOf } from "../conformance/ledger.ts";
import { FIRST_CAPACITY, type Folders, RETENTION_MS } from "./folders.ts";

export interface Started {
  /** What the refusal says; undefined when it started. */
  readonly refusal: string | undefined;
  /** Warnings and errors. */
  readonly said: readonly (readonly [event: string, fields: LogFields])[];
  /** Relayed ids that are new to the ledger. */
  readonly forgotten: number;
  readonly doubts: number;
  /** Transmissions in the queue, and those of them without their content. */
  readonly queued: number;
  readonly lost: number;
}

export async function startOn(folder: string, { relayed }: Folders): Promise<Started> {
  const said: [string, LogFields][] = [];
  const note = (event: string, fields: LogFields = {}): void => void said.push([event, fields]);
  const log: Log = { debug() {}, info() {}, warn: note, error: note };
  const started: Started = { refusal: undefined, said, forgotten: 0, doubts: 0, queued: 0, lost: 0 };
  let spool: Spool | undefined;
  try {
    const storage = createDiskStorage(folder, log);
    spool = await openSpool(storage);
    const contents = await contentsOf(spool);
    const ledger = await openEmbeddedLedger({
      ...{ storage, clock: systemClock, log, retentionMs: RETENTION_MS, firstCapacity: FIRST_CAPACITY },
    });
    try {
      const results = await ledger.claim(
        relayed.map((key) => ({ id: encodeBase32(key), digest: digestOf(1) })),
      );
      const forgotten = results.filter(({ kind }) => kind !== "repeat").length;
      return { ...started, ...contents, forgotten, doubts: (await ledger.doubts()).length };
    } finally {
      await ledger.close();
    }
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return { ...started, refusal: error.message };
  } finally {
    await spool?.close();
  }
}

async function contentsOf(spool: Spool): Promise<{ queued: number; lost: number }> {
  let queued = 0;
  let lost = 0;
  const loaded = [];
  for await (const one of spool.load()) loaded.push(one);
  for (const [key, , hasContent] of loaded) {
    queued++;
    const mail = await spool.read(key);
    if (mail === undefined) continue;
    const isWhole = mail.kind === "whole" && (await isRead(mail.bodyOctets()));
    // What a start finds an attempt finds too.
    if (!hasContent && isWhole) throw new Error("a content that is there was not found by the start");
    if (!isWhole) lost++;
  }
  return { queued, lost };
}

async function isRead(octets: AsyncIterable<Uint8Array>): Promise<boolean> {
  try {
    for await (const _ of octets);
    return true;
  } catch (error) {
    if (error instanceof ContentError) return false;
    throw error;
  }
}
