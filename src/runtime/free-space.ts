// Room on the disk, asked before mail is taken: a disk that fills while a mail is being received costs the
// client its upload, and one that is full to the last octet keeps what was taken from being settled.
import { statfs } from "node:fs/promises";

export interface FreeSpace {
  /** Whether so many octets more would leave the minimum free. A disk that can't be asked has room. */
  hasRoomFor(octets: number): Promise<boolean>;
}

/** How long an answer holds: a second of mail at full speed is tens of megabytes. */
const FRESH_MS = 1_000;

/**
 * @param folder on the disk in question
 * @param minOctets to stay free; 0 asks nothing
 */
export function createFreeSpace(folder: string, minOctets: number, now: () => number): FreeSpace {
  let free: Promise<number> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;

  const ask = async (): Promise<number> => {
    try {
      const { bavail, bsize } = await statfs(folder);
      return bavail * bsize;
    } catch {
      // The write itself will tell.
      return Number.POSITIVE_INFINITY;
    }
  };

  return {
    async hasRoomFor(octets) {
      if (minOctets === 0) return true;
      if (free === undefined || now() - askedAt >= FRESH_MS) {
        askedAt = now();
        free = ask();
      }
      return (await free) - octets >= minOctets;
    },
  };
}
