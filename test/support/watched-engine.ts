// An engine that a test can wait for: resolves when the ledger over it has nothing under way.
import type { Engine } from "../../src/ledger/shared/engine.ts";

/** Turns of the event loop in which what follows from an answer is asked. */
const QUIET_TURNS = 5;

export function watchEngine(inner: Engine): { engine: Engine; idle(): Promise<void> } {
  let underWay = 0;
  let atIdle: (() => void)[] = [];

  function watch<Input extends unknown[], Answer>(call: (...input: Input) => Promise<Answer>) {
    return async (...input: Input): Promise<Answer> => {
      underWay++;
      try {
        return await call(...input);
      } finally {
        if (--underWay === 0) {
          for (const resolve of atIdle) resolve();
          atIdle = [];
        }
      }
    };
  }

  return {
    engine: {
      ...inner,
      register: watch(inner.register),
      beat: watch(inner.beat),
      insert: watch(inner.insert),
      read: watch(inner.read),
      take: watch(inner.take),
      change: watch(inner.change),
      sweep: watch(inner.sweep),
    },
    async idle() {
      for (let quiet = 0; quiet < QUIET_TURNS; quiet++) {
        if (underWay > 0) {
          quiet = 0;
          await new Promise<void>((resolve) => atIdle.push(resolve));
        }
        await new Promise(setImmediate);
      }
    },
  };
}
