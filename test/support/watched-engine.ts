// An engine as one gateway reaches it, in a test's hands: it can be waited for, and calls and answers can be
// held up or lost on the way.
import type { Engine } from "../../src/ledger/shared/engine.ts";
import { StorageError } from "../../src/storage/storage.ts";

/** Turns of the event loop in which what follows from an answer is asked. */
const QUIET_TURNS = 5;

export type WatchedCall = "register" | "beat" | "insert" | "read" | "take" | "change" | "sweep";

export interface WatchedEngine {
  readonly engine: Engine;
  /** Resolves when the ledger over it has nothing under way, but for answers that are held up. */
  idle(): Promise<void>;
  /** Answers of these calls wait until the returned function is called. */
  holdAnswers(call: WatchedCall): () => void;
  /** The next such call does what it is for, and its answer is lost. */
  loseAnswer(call: WatchedCall): void;
  /** The next such call is given up, and arrives when the returned function is called. */
  delayCall(call: WatchedCall): () => Promise<unknown>;
}

const lost = (call: WatchedCall) => new StorageError("unavailable", `the answer to ${call} is lost`);

export function watchEngine(inner: Engine): WatchedEngine {
  let underWay = 0;
  let atIdle: (() => void)[] = [];
  const held = new Map<WatchedCall, Promise<void>>();
  const losing = new Set<WatchedCall>();
  const delaying = new Map<WatchedCall, (made: () => Promise<unknown>) => void>();

  function change(by: 1 | -1): void {
    underWay += by;
    if (underWay > 0) return;
    for (const resolve of atIdle) resolve();
    atIdle = [];
  }

  function watch<Input extends unknown[], Answer>(
    call: WatchedCall,
    make: (...input: Input) => Promise<Answer>,
  ) {
    return async (...input: Input): Promise<Answer> => {
      change(1);
      try {
        const delay = delaying.get(call);
        delaying.delete(call);
        if (delay !== undefined) {
          delay(() => make(...input));
          throw lost(call);
        }
        const answer = await make(...input);
        if (losing.delete(call)) throw lost(call);
        const hold = held.get(call);
        if (hold === undefined) return answer;
        change(-1);
        await hold;
        change(1);
        return answer;
      } finally {
        change(-1);
      }
    };
  }

  return {
    engine: {
      ...inner,
      register: watch("register", inner.register),
      beat: watch("beat", inner.beat),
      insert: watch("insert", inner.insert),
      read: watch("read", inner.read),
      take: watch("take", inner.take),
      change: watch("change", inner.change),
      sweep: watch("sweep", inner.sweep),
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
    holdAnswers(call) {
      let release: () => void = () => {};
      held.set(call, new Promise<void>((resolve) => (release = resolve)));
      return () => {
        held.delete(call);
        release();
      };
    },
    loseAnswer: (call) => void losing.add(call),
    delayCall(call) {
      let make: (() => Promise<unknown>) | undefined;
      delaying.set(call, (made) => {
        make = made;
      });
      return async () => await make?.();
    },
  };
}
