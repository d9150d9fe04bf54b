// How far a long command is, on standard error: in place on a terminal, a line now and then elsewhere.
import { countOf } from "../runtime/amounts.ts";

/** In place; more often could not be read. */
const TERMINAL_MS = 1_000;
/** In a log. */
const LINES_MS = 5_000;

export interface Progress {
  /** @param ids how many have been done so far */
  report(ids: number): void;
  /** Removes the line in place, so that something else can be printed. */
  clear(): void;
  /** Ids and seconds and ids a second. */
  summary(ids: number): string;
}

export interface Screen {
  readonly isTTY?: boolean;
  write(text: string): unknown;
}

/** @param elapsed milliseconds since any moment */
export function createProgress(
  screen: Screen = process.stderr,
  elapsed: () => number = () => performance.now(),
): Progress {
  const startedAt = elapsed();
  const isInPlace = screen.isTTY === true;
  let saidAt = startedAt;
  let isShown = false;

  function summary(ids: number): string {
    const seconds = Math.max(elapsed() - startedAt, 1) / 1_000;
    const rate = countOf(Math.round(ids / seconds));
    return `${countOf(ids)} ids in ${seconds.toFixed(1)} s, ${rate} a second`;
  }

  return {
    report(ids) {
      if (elapsed() - saidAt < (isInPlace ? TERMINAL_MS : LINES_MS)) return;
      saidAt = elapsed();
      // To the beginning of the line, and away with its rest (ECMA-48 EL).
      screen.write(isInPlace ? `\r\x1b[K${summary(ids)}` : `${summary(ids)}\n`);
      isShown = isInPlace;
    },
    clear() {
      if (isShown) screen.write("\r\x1b[K");
      isShown = false;
    },
    summary,
  };
}
