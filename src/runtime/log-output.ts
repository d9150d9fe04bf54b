// The log's destination: a file, a pipe or a terminal that may take nothing for a while, or for good. Mail
// does not wait for it. As long as writing works, a line is out when `write` returns. Otherwise lines are
// counted, the few that must not be lost are kept in a bounded space, and the first line afterwards has the
// number of missing lines.
import { type BigIntStats, fstatSync, writeSync } from "node:fs";
import type { Clock } from "./clock.ts";

/**
 * Octets that wait while the reader of a pipe is only behind: a fast gateway fills the kernel's 64 KiB in 30 ms, and a
 * busy machine holds a reader up for longer than that.
 */
const BEHIND_OCTETS = 256 * 1024;

/** Octets of lines that must not be lost, kept while nothing can be written: some 20,000 doubts. */
export const KEPT_OCTETS = 8 * 2 ** 20;

/** Between two tries, beside those that come with new lines: a reader that is behind, and a disk that is full. */
const BEHIND_RETRY_MS = 20;
const FAILED_RETRY_MS = 1_000;

/**
 * How long a line that must not be lost waits for a reader that is behind, once until all is written: then it precedes
 * its deed. A reader that has stopped holds the gateway up no longer than that.
 */
const PATIENCE_MS = 100;

/** How long the end of the process waits for a reader that is behind. */
const LAST_PATIENCE_MS = 1_000;

/** What was not written, since when, and why. */
export interface Missed {
  /** Lines that are lost. */
  readonly missed: number;
  /** Lines that come late: they follow, each with the time of its event. */
  readonly late: number;
  /** Of the first failure, ISO 8601. */
  readonly since: string;
  /** The code of the last failure: "ENOSPC", "EPIPE"; "EAGAIN" when the reader had stopped. */
  readonly cause: string;
}

export interface LogOutput {
  /** Never throws, and does not wait for a reader. `keep`: the line must not be lost. */
  write(line: string, keep: boolean): void;
  /** Waits for a reader that is behind, for a second at most. For the end of the process. */
  end(): void;
}

export interface LogOutputOptions {
  readonly fd: number;
  readonly clock: Clock;
  /** The line to be written once writing works again; empty when there is to be none. */
  readonly resumed: (missed: Missed) => string;
  /** Called once for each time that lines begin to be missed, with the code of the failure. Never throws. */
  readonly complain: (cause: string) => void;
}

interface Waiting {
  readonly line: string;
  readonly octets: number;
}

export function createLogOutput({ fd, clock, resumed, complain }: LogOutputOptions): LogOutput {
  /** The rest of a line that was written in part, which comes first: a line is never torn. */
  let torn: Uint8Array | undefined;
  /** In the order of the calls. */
  let waiting: Waiting[] = [];
  let waitingOctets = 0;
  /** Why the last write failed; undefined while all goes well. */
  let failure: string | undefined;
  let missed = 0;
  let late = 0;
  let since = 0;
  let isPatient = true;
  /** Lines were missed, or came late, and that is still to be said. */
  let isUnsaid = false;
  let isTryDue = false;
  /** A write that fails costs more than one that does not, so of many lines in a millisecond only one tries. */
  let triedAt = 0;

  /** How much of it was taken; 0 when nothing can be written now. */
  function put(octets: string | Uint8Array): number {
    try {
      return typeof octets === "string" ? writeSync(fd, octets) : writeSync(fd, octets, 0, octets.length);
    } catch (error) {
      const { code = "EIO" } = error as NodeJS.ErrnoException;
      if (failure === undefined) since = clock.now();
      failure = code;
      return 0;
    }
  }

  /** Whether the line has gone out, at least its beginning; what is left of it then waits to be the next. */
  function putLine(line: string, octets: number): boolean {
    const taken = put(line);
    if (taken === 0) return false;
    if (taken < octets) {
      torn = Buffer.from(line).subarray(taken);
      finishTorn();
    }
    return true;
  }

  function finishTorn(): boolean {
    while (torn !== undefined) {
      const taken = put(torn);
      if (taken === 0) return false;
      torn = taken < torn.length ? torn.subarray(taken) : undefined;
    }
    return true;
  }

  /**
   * The number of lines that are missing. In one piece with the next line: alone it might fit where the next
   * line does not.
   */
  function sayMissed(): boolean {
    const cause = failure ?? "unknown";
    const said = resumed({ missed, late, since: new Date(since).toISOString(), cause });
    const line = said + (waiting[0]?.line ?? "");
    if (line !== "" && !putLine(line, Buffer.byteLength(line))) return false;
    waitingOctets -= waiting.shift()?.octets ?? 0;
    missed = 0;
    isUnsaid = false;
    return true;
  }

  /** Writes all that waits. True when nothing waits any more. */
  function flush(): boolean {
    triedAt = clock.now();
    if (!finishTorn() || (isUnsaid && !sayMissed())) return false;
    let done = 0;
    for (const { line, octets } of waiting) {
      if (torn !== undefined || !putLine(line, octets)) break;
      waitingOctets -= octets;
      done++;
    }
    if (done > 0) waiting = waiting.slice(done);
    if (torn !== undefined || waiting.length > 0) return false;
    failure = undefined;
    late = 0;
    isPatient = true;
    return true;
  }

  function tryLater(): void {
    const ms = failure === "EAGAIN" ? BEHIND_RETRY_MS : FAILED_RETRY_MS;
    if (isTryDue) return;
    isTryDue = true;
    clock.after(ms, () => {
      isTryDue = false;
      if (!flush()) tryLater();
    });
  }

  function flushFor(ms: number): void {
    const end = performance.now() + ms;
    while (!flush() && failure === "EAGAIN" && performance.now() < end) sleep(1);
  }

  function hold(line: string, octets: number, keep: boolean): void {
    const room = keep ? KEPT_OCTETS : failure === "EAGAIN" ? BEHIND_OCTETS : 0;
    if (waitingOctets + octets <= room) {
      waiting.push({ line, octets });
      waitingOctets += octets;
      if (failure !== "EAGAIN") late++;
    } else missed++;
    if (isUnsaid || (failure === "EAGAIN" && missed === 0)) return;
    isUnsaid = true;
    complain(failure ?? "unknown");
  }

  return {
    write(line, keep) {
      const octets = Buffer.byteLength(line);
      const isTried = failure !== undefined && clock.now() === triedAt;
      if (!isTried && (failure === undefined || flush()) && putLine(line, octets)) {
        if (torn !== undefined) tryLater();
        return;
      }
      hold(line, octets, keep);
      if (keep && isPatient && failure === "EAGAIN") {
        isPatient = false;
        flushFor(PATIENCE_MS);
      }
      if (failure !== undefined) tryLater();
    },
    end() {
      if (failure !== undefined) flushFor(LAST_PATIENCE_MS);
    },
  };
}

/**
 * Makes writes to a pipe or a socket on standard output fail with EAGAIN instead of waiting for the reader,
 * which would stop the whole process. Node does so when it opens its own stream of it, and undoes it at its
 * end.
 */
export function neverWaitForReader(): void {
  const kind = factsOf(STDOUT);
  if (kind.isFIFO() || kind.isSocket()) survive(process.stdout);
}

/**
 * The process must not end when the reader of a stream has gone: without a listener the error would be
 * thrown.
 */
export function survive(stream: NodeJS.WriteStream): void {
  stream.on("error", () => {});
}

/**
 * In bigints: before Node.js 24, what is asked in numbers of a pipe or a socket makes the next imports follow no symbolic link,
 * and a package that is installed behind one can be loaded in part.
 */
const factsOf = (fd: number): BigIntStats => fstatSync(fd, { bigint: true });

export const STDOUT = 1;
export const STDERR = 2;

export function isSameFile(one: number, other: number): boolean {
  const [a, b] = [factsOf(one), factsOf(other)];
  return a.ino === b.ino && a.dev === b.dev;
}

const asleep = new Int32Array(new SharedArrayBuffer(4));
const sleep = (ms: number): void => void Atomics.wait(asleep, 0, 0, ms);
