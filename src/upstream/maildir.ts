// The upstream "maildir": what would have been relayed lies in a folder, where any mail reader finds it.
// It can do what no other upstream can: the file is named by the id, so an attempt that is repeated
// after a crash puts the same octets in the same place, and there is no second message.
import { constants } from "node:fs";
import nodeFiles from "node:fs/promises";
import { hostname as machineName } from "node:os";
import { dirname, join, resolve } from "node:path";
import { syncFolder } from "../runtime/sync-folder.ts";
import { wholeContent } from "./content.ts";
import { oneLine } from "./line.ts";
import { checkMaildir, FOLDERS, folderFault } from "./maildir-check.ts";
import { createReadNames, type MaildirFiles } from "./maildir-read.ts";
import type { Outcome, Transmission, Upstream } from "./upstream.ts";

export interface MaildirUpstreamOptions {
  /** The Maildir: holds tmp, new and cur, which are made when they are not there. */
  readonly path: string;
  /** Ends the names of the files; the machine's own unless given. */
  readonly hostname?: string;
  readonly files?: MaildirFiles;
}

/** Mails are for the user who runs the gateway, and nobody else. */
const FOLDER_MODE = 0o700;
const FILE_MODE = 0o600;

/** A file of that name is replaced, and a link of that name is not followed. */
const WRITE_HERE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0);

/**
 * A file is `<id>.<host>`, without the time that the name usually begins with: the time of a second
 * attempt is another one. Readers take the time from the file. The content keeps its CRLF line ends.
 */
export function createMaildirUpstream(options: MaildirUpstreamOptions): Upstream {
  const { hostname = machineName(), files = nodeFiles } = options;
  const path = resolve(options.path);
  const suffix = hostname.replaceAll("/", "\\057").replaceAll(":", "\\072");
  const [tmp, fresh, cur] = FOLDERS.map((name) => join(path, name)) as [string, string, string];
  const readNames = createReadNames(cur, files);
  let prepared: Promise<void> | undefined;

  /** Makes the folders and, once a process, their names durable: else the mails in them are not. */
  async function prepare(): Promise<void> {
    for (const folder of [tmp, fresh, cur]) {
      const made = await files.mkdir(folder, { recursive: true, mode: FOLDER_MODE });
      const top = dirname(made === undefined || made.startsWith(path) ? path : made);
      for (let parent = path; parent.startsWith(top); parent = dirname(parent)) {
        // Above our own folder we may not be allowed to read, as in /var/lib.
        await syncFolder(parent, files).catch((error) => {
          if (parent === path || error.code !== "EACCES") throw error;
        });
        if (parent === dirname(parent)) break;
      }
    }
    for (const folder of [path, tmp, fresh, cur]) {
      const fault = await folderFault(folder, files);
      if (fault !== undefined) throw unsafe(fault);
    }
  }

  /** Everything that can be undone: nothing is in new/ when it throws. */
  async function write(transmission: Transmission, name: string, signal: AbortSignal): Promise<Date> {
    prepared ??= prepare();
    await prepared;
    // Not "wx": what an attempt that died left behind under this name is of no use to anyone.
    const file = await files.open(join(tmp, name), WRITE_HERE, FILE_MODE);
    try {
      await file.appendFile(traceOf(transmission));
      for await (const chunk of wholeContent(transmission)) {
        signal.throwIfAborted();
        await file.appendFile(chunk);
      }
      await file.sync();
      return (await file.stat()).mtime;
    } finally {
      await file.close();
    }
  }

  async function transmit(transmission: Transmission, signal: AbortSignal): Promise<Outcome> {
    const name = `${transmission.id}.${suffix}`;
    const accepted = { kind: "accepted", upstreamId: name } as const;
    let named = false;
    try {
      signal.throwIfAborted();
      const written = await write(transmission, name, signal);
      // Somebody has read it since an earlier attempt, so it is delivered.
      if (await readNames.has(name, written)) {
        await files.rm(join(tmp, name), { force: true });
        return accepted;
      }
      signal.throwIfAborted();
      // Replaces the file of an earlier attempt, which holds the same octets (P10).
      await files.rename(join(tmp, name), join(fresh, name));
      named = true;
      await syncFolder(fresh, files);
      return accepted;
    } catch (error) {
      // Folders that were removed meanwhile are made again by the next attempt.
      prepared = undefined;
      // With the name in new/ only its durability is open, and a reader can have the mail already. A
      // rename that failed did not happen, except when the disk itself lost track.
      if (named || isRenameInDoubt(error)) return { kind: "doubtful", cause: oneLine(String(error)) };
      await files.rm(join(tmp, name), { force: true }).catch(() => {});
      return untaken(error);
    }
  }

  return {
    name: `maildir ${path}`,
    limits: {
      messageOctets: Number.POSITIVE_INFINITY,
      lineOctets: Number.POSITIVE_INFINITY,
      smtpUtf8: true,
    },
    transmit,
    check: () => checkMaildir(path),
    async close() {},
  };
}

/** RFC 5321 §4.4: the final delivery notes the reverse-path. Delivered-To is the custom of Maildirs. */
function traceOf({ reversePath, recipient }: Transmission): Uint8Array {
  return Buffer.from(`Return-Path: <${reversePath}>\r\nDelivered-To: ${recipient}\r\n`, "utf8");
}

function isRenameInDoubt(error: unknown): boolean {
  const { code, syscall } = error as NodeJS.ErrnoException;
  return syscall === "rename" && code === "EIO";
}

/** As an error of the disk: it concerns every mail until somebody puts it right. */
const unsafe = (fault: string): Error => Object.assign(new Error(fault), { syscall: "lstat" });

/** A full or read-only disk refuses every mail; an error without a system call is the content's own. */
function untaken(error: unknown): Outcome {
  // A link in place of one mail's file is that mail's own.
  const ofDisk = error instanceof Error && "syscall" in error && !("code" in error && error.code === "ELOOP");
  return { kind: ofDisk ? "down" : "later", reply: oneLine(String(error)) };
}
