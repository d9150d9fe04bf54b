// Whether the gateway's own disk takes what is written, found out by writing: a small file that is made durable.
import type { Clock } from "../../runtime/clock.ts";
import type { FreeSpace } from "../../storage/free-space.ts";
import type { Storage } from "../../storage/storage.ts";

/** The fault of the disk; undefined when there is none. Never rejects. */
export type DiskProbe = () => Promise<string | undefined>;

const FILE = "ready";
const CONTENT = new TextEncoder().encode("ready\n");

/** An answer serves for so long, however many balancers ask. */
const FRESH_MS = 5_000;

/** A disk that takes longer takes no mail either, as far as a client can tell. */
const PATIENCE_MS = 5_000;

export function createDiskProbe(
  storage: Pick<Storage, "createFile">,
  freeSpace: Pick<FreeSpace, "hasRoomFor">,
  clock: Clock,
): DiskProbe {
  let answer: Promise<string | undefined> | undefined;
  let askedAt = 0;
  /** A call that hangs is not made twice. */
  let isWriting = false;

  const write = async (): Promise<string | undefined> => {
    isWriting = true;
    try {
      const file = await storage.createFile(FILE);
      await file.append(CONTENT);
      await file.close();
      return undefined;
    } catch (error) {
      return `the disk of the data folder fails: ${(error as Error).message}`;
    } finally {
      isWriting = false;
    }
  };

  const ask = async (): Promise<string | undefined> => {
    if (!(await freeSpace.hasRoomFor(0))) return "the disk of the data folder is too full to take mail";
    if (isWriting) return SLOW;
    const late = new Promise<string>((resolve) => {
      clock.after(PATIENCE_MS, () => resolve(SLOW));
    });
    return await Promise.race([write(), late]);
  };

  return () => {
    const age = clock.now() - askedAt;
    if (answer === undefined || age < 0 || age >= FRESH_MS) {
      askedAt = clock.now();
      answer = ask();
    }
    return answer;
  };
}

const SLOW = "the disk of the data folder does not answer";
