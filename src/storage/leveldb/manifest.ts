// What a manifest of LevelDB says: which tables there are, and which logs are needed (db/version_edit.cc).
import { walkLog } from "./log-file.ts";
import { createCursor } from "./octets.ts";

const COMPARATOR = 1;
const LOG_NUMBER = 2;
const NEXT_FILE = 3;
const LAST_SEQUENCE = 4;
const COMPACT_POINTER = 5;
const DELETED_FILE = 6;
const NEW_FILE = 7;
const PREVIOUS_LOG_NUMBER = 9;

export interface Manifest {
  /** Logs of this number and later ones are read at the next opening. */
  readonly logNumber: number;
  /** Number of the last change that is in the tables. */
  readonly lastSequence: number;
  /** Octets of each table, by its number. */
  readonly tables: ReadonlyMap<number, number>;
  /** The end of the last whole record. */
  readonly wholeUntil: number;
  /** What is wrong; undefined when all of it is whole. */
  readonly fault: string | undefined;
}

/** Reads as much as is whole. */
export function readManifest(octets: Uint8Array): Manifest {
  const tables = new Map<number, { level: number; octets: number }>();
  let logNumber = 0;
  let lastSequence = 0;
  let fault: string | undefined;

  function apply(record: Uint8Array): void {
    const cursor = createCursor(record);
    while (!cursor.isAtEnd) {
      const tag = cursor.varint();
      switch (tag) {
        case COMPARATOR:
          cursor.string();
          break;
        case LOG_NUMBER:
          logNumber = cursor.varint();
          break;
        case LAST_SEQUENCE:
          lastSequence = cursor.varint();
          break;
        case NEXT_FILE:
        case PREVIOUS_LOG_NUMBER:
          cursor.varint();
          break;
        case COMPACT_POINTER:
          cursor.varint();
          cursor.string();
          break;
        case DELETED_FILE: {
          const level = cursor.varint();
          const number = cursor.varint();
          // One that is moved to another level is deleted in its old one, and added.
          if (tables.get(number)?.level === level) tables.delete(number);
          break;
        }
        case NEW_FILE: {
          const level = cursor.varint();
          const number = cursor.varint();
          tables.set(number, { level, octets: cursor.varint() });
          cursor.string();
          cursor.string();
          break;
        }
        default:
          throw new RangeError(`${tag} is no field of a manifest`);
      }
    }
  }

  const walk = walkLog(octets, (record) => {
    if (fault !== undefined) return;
    try {
      apply(record);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      fault = error.message;
    }
  });
  return {
    logNumber,
    lastSequence,
    tables: new Map([...tables].map(([number, { octets }]) => [number, octets])),
    wholeUntil: walk.wholeUntil,
    fault: fault ?? walk.fault,
  };
}
