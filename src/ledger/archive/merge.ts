// Merges records into an engine that gateways use meanwhile: what is absent is inserted, what is there is
// read and replaced only if it is still what was read.

import { StorageError } from "../../storage/storage.ts";
import { nameOf } from "../key-name.ts";
import { type ArchiveRecord, type Merged, stronger } from "./archive.ts";

/** What an engine has of an id. `Version` is by which it knows its record again. */
export interface Found<Version> {
  /** What it counts for once nobody holds it: undefined when that is nothing. */
  readonly record: ArchiveRecord | undefined;
  /** Its holder is alive. */
  readonly isHeld: boolean;
  readonly version: Version;
}

export interface Replacement<Version> {
  readonly record: ArchiveRecord;
  readonly version: Version;
}

/** Every call may be made again after it has failed. */
export interface Place<Version> {
  /** What is there already of each; undefined: it was absent and is there now. */
  insert(batch: readonly ArchiveRecord[]): Promise<(Found<Version> | undefined)[]>;
  /** False: it is not the version any more, and nothing was changed. */
  replace(batch: readonly Replacement<Version>[]): Promise<boolean[]>;
}

/** Looks at a record that gateways change each time in between; far more than can happen. */
const TRIES_MAX = 100;

export async function mergeInto<Version>(
  place: Place<Version>,
  batch: readonly ArchiveRecord[],
): Promise<Merged[]> {
  const results = new Map<string, Merged>();
  let left = batch;
  for (let tries = 0; left.length > 0; tries++) {
    if (tries === TRIES_MAX) {
      throw new StorageError("unavailable", "ids change faster than they can be imported");
    }
    const found = await place.insert(left);
    const replacements: Replacement<Version>[] = [];
    left.forEach((record, i) => {
      const there = found[i];
      const name = nameOf(record.key);
      if (there === undefined) results.set(name, "added");
      else if (there.record !== undefined && stronger(there.record, record) === there.record) {
        results.set(name, "kept");
      } else if (there.isHeld) results.set(name, "held");
      else replacements.push({ record, version: there.version });
    });
    const replaced = await place.replace(replacements);
    replacements.forEach(({ record }, i) => {
      if (replaced[i] === true) results.set(nameOf(record.key), "strengthened");
    });
    left = left.filter(({ key }) => !results.has(nameOf(key)));
  }
  return batch.map(({ key }) => results.get(nameOf(key)) as Merged);
}
