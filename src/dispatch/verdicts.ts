// What became of transmissions whose clients wait for it (`reply = "relayed"`).
import type { Id } from "../identity/message-id.ts";
import type { Clock } from "../runtime/clock.ts";

export type Verdict =
  | { readonly kind: "relayed" }
  /** It will never be taken. */
  | { readonly kind: "refused"; readonly reply: string }
  /** It was not taken now; the client may submit it again. */
  | { readonly kind: "later" }
  | { readonly kind: "doubtful" }
  /** Not known in time; the transmission goes on. */
  | { readonly kind: "pending" };

export interface Verdicts {
  /** The id is on its way and somebody waits for it. To be called before its claim is accepted. */
  open(id: Id): void;
  /** The verdict, or undefined for an id that no client waits for. */
  of(id: Id): Promise<Verdict> | undefined;
  /** To be called once the ledger has recorded it. */
  give(id: Id, verdict: Verdict): void;
  /** Clients that still wait get `pending`. */
  close(): void;
}

/**
 * A second copy asks the ledger, finds that the id is on its way, and only then asks here; its verdict may
 * have been given in between. Seconds cover any such moment.
 */
const KEEP_MS = 10_000;

/**
 * RFC 5321 §4.5.3.2.6 lets a client wait ten minutes after the final dot; mailers wait less. Half of it is
 * long enough for an upstream and leaves the client time for our reply.
 */
const WAIT_MS = 5 * 60_000;

interface Opened {
  readonly verdict: Promise<Verdict>;
  readonly resolve: (verdict: Verdict) => void;
}

export function createVerdicts(clock: Clock): Verdicts {
  const opened = new Map<Id, Opened>();
  return {
    open(id) {
      let resolve: (verdict: Verdict) => void = () => {};
      const given = new Promise<Verdict>((done) => {
        resolve = done;
      });
      const entry = { verdict: given, resolve };
      opened.set(id, entry);
      const late = clock.after(WAIT_MS, () => resolve({ kind: "pending" }));
      void given.then(() => late.cancel());
    },
    of: (id) => opened.get(id)?.verdict,
    give(id, verdict) {
      const entry = opened.get(id);
      if (entry === undefined) return;
      entry.resolve(verdict);
      clock.after(KEEP_MS, () => {
        if (opened.get(id) === entry) opened.delete(id);
      });
    },
    close() {
      for (const { resolve } of opened.values()) resolve({ kind: "pending" });
    },
  };
}
