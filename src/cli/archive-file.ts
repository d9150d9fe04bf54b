// Where an archive is written to and read from: a file, or the standard streams.
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import type { Writable } from "node:stream";
import { endIn, LINE_OCTETS_MAX } from "../ledger/archive/format.ts";

/** `message` names the file, for people. */
export class FileError extends Error {
  override readonly name = "FileError";
}

export interface Output {
  /** Resolves when more may be written. */
  write(chunk: Uint8Array): Promise<void>;
  close(): Promise<void>;
  /** Leaves no part of a file. Never rejects. */
  discard(): Promise<void>;
}

/**
 * Only our own user can read it: with it, anyone who knows a task can find out which of its mails were
 * relayed.
 */
const MODE = 0o600;

/** Every method rejects with a FileError. */
export async function openOutput(path: string | undefined): Promise<Output> {
  return path === undefined ? streamOutput(process.stdout, "standard output") : await fileOutput(path);
}

function streamOutput(stream: Writable, name: string): Output {
  // Each write gets its own error; without this listener the first one would end the process.
  stream.on("error", () => {});
  return {
    write: (chunk) =>
      new Promise((resolve, reject) => {
        stream.write(chunk, (error) => {
          if (error) reject(new FileError(`${name}: ${error.message}`, { cause: error }));
          else resolve();
        });
      }),
    async close() {},
    async discard() {},
  };
}

/** The file appears under its name when it is whole. */
async function fileOutput(path: string): Promise<Output> {
  const part = `${path}.part`;
  const file: FileHandle = await naming(path, () => open(part, "w", MODE));
  return {
    write: (chunk) =>
      naming(path, async () => {
        await file.writeFile(chunk);
      }),
    close: () =>
      naming(path, async () => {
        await file.sync();
        await file.close();
        await rename(part, path);
      }),
    async discard() {
      await file.close().catch(() => {});
      await rm(part, { force: true }).catch(() => {});
    },
  };
}

/**
 * The octets of an archive. A file that is cut off is refused before any of it is read. A stream that is cut
 * off shows it only at its end.
 *
 * @throws FileError
 */
export async function openInput(path: string | undefined): Promise<AsyncIterable<Uint8Array>> {
  if (path === undefined) return process.stdin;
  await naming(path, async () => {
    const file = await open(path, "r");
    try {
      const stat = await file.stat();
      if (!stat.isFile()) return;
      const tail = Buffer.alloc(Math.min(stat.size, LINE_OCTETS_MAX));
      await file.read(tail, 0, tail.length, stat.size - tail.length);
      if (endIn(tail.toString("latin1")) !== undefined) return;
    } finally {
      await file.close();
    }
    throw new FileError(`${path}: cut off, or no export of a ledger; nothing of it was imported`);
  });
  return reading(path);
}

async function* reading(path: string): AsyncGenerator<Uint8Array> {
  try {
    yield* createReadStream(path);
  } catch (error) {
    throw new FileError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}

async function naming<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof FileError) throw error;
    throw new FileError(`${path}: ${(error as Error).message}`, { cause: error });
  }
}
