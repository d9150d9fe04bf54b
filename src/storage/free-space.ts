// Room on the disk, checked before mail is taken and while its content arrives: on a disk that is full to the
// last octet, accepted mail can't be settled. One answer of the disk serves for a second, in which what is
// taken is counted, so that many contents at once don't each find the same room.
import { statfs } from "node:fs/promises";

export interface FreeSpace {
  /** Whether so many octets more would leave the minimum free. A disk that can't be asked has room. */
  hasRoomFor(octets: number): Promise<boolean>;
  /** As hasRoomFor, for octets that are about to be written: they count until the disk is asked again. */
  take(octets: number): Promise<boolean>;
  /** Octets, whatever the minimum is; undefined when the disk can't be asked. */
  free(): Promise<number | undefined>;
}

/** How long an answer holds: a second of mail at full speed is tens of megabytes. */
const FRESH_MS = 1_000;

/**
 * @param folder on the disk in question
 * @param minOctets to stay free; 0 asks nothing
 * @param askDisk octets that are free there; the disk itself unless given
 */
export function createFreeSpace(
  folder: string,
  minOctets: number,
  now: () => number,
  askDisk: (folder: string) => Promise<number> = freeOn,
): FreeSpace {
  let answer: Promise<number> | undefined;
  let askedAt = Number.NEGATIVE_INFINITY;
  /** Since the disk was asked. */
  let taken = 0;

  const free = (): Promise<number> => {
    const since = now() - askedAt;
    if (answer === undefined || since >= FRESH_MS || since < 0) {
      askedAt = now();
      taken = 0;
      // The write itself will tell.
      answer = askDisk(folder).catch(() => Number.POSITIVE_INFINITY);
    }
    return answer;
  };

  return {
    hasRoomFor: async (octets) => minOctets === 0 || (await free()) - taken - octets >= minOctets,
    async take(octets) {
      if (minOctets === 0) return true;
      const left = await free();
      // From here on at once: another call may have taken since the disk answered.
      if (left - taken - octets < minOctets) return false;
      taken += octets;
      return true;
    },
    async free() {
      const octets = await free();
      return Number.isFinite(octets) ? octets : undefined;
    },
  };
}

async function freeOn(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder);
  return bavail * bsize;
}
