// The plainest engine of a shared ledger: a table in memory, with faults. What it is for: to put the core to
// its rules, and to fail, in ways and at speeds that a real engine does not offer. The same rules run on the
// real engines.
import type {
  Change,
  Engine,
  EngineLimits,
  HeldState,
  Holder,
  LedgerRecord,
  RecordState,
  Relaying,
  StoredSettings,
} from "../../src/ledger/shared/engine.ts";
import { StorageError } from "../../src/storage/storage.ts";

interface Row {
  state: RecordState;
  fence: number;
  step: number;
  incarnation: number | undefined;
  digest: Uint8Array;
  firstDate: string | undefined;
  relayed: Relaying | undefined;
  /** The time of the relaying that is forgotten. */
  forgottenAt: number | undefined;
  bound: boolean;
  changedAt: number;
}

export type EngineCall =
  | "register"
  | "beat"
  | "insert"
  | "read"
  | "take"
  | "change"
  | "open"
  | "sweep"
  | "settings";

export interface EngineFault {
  /** Every call when left out. */
  readonly calls?: readonly EngineCall[];
  /** How often; for ever when left out. */
  readonly times?: number;
  /** The call does what it is for, and its answer is lost. */
  readonly takesEffect?: boolean;
}

/** Where several gateways have their ledger. */
export interface MemoryEngines {
  /** One gateway's connection. */
  connect(): Engine;
  fail(fault: EngineFault): void;
  mend(): void;
  /** Calls that are under way. */
  readonly underWay: number;
  /** From now on calls wait, until the returned function lets them go. */
  hold(calls: readonly EngineCall[]): () => void;
  rows(): number;
  /** Undoes what `isForgotten` says was not durable, and was not made so by a later change. */
  crash(): void;
}

const HELD: ReadonlySet<RecordState> = new Set<HeldState>([
  "claimed",
  "queued",
  "attempted",
  "doubtful",
  "reclaimed",
]);
const SWEEP_STEP = 100;

/**
 * @param now the engine's time, milliseconds since the epoch
 * @param isForgotten which changes of which states a crash undoes; an engine that is not broken forgets none
 */
export function createMemoryEngines(
  now: () => number,
  limits: EngineLimits,
  isForgotten: (change: Change, before: RecordState) => boolean = () => false,
): MemoryEngines {
  const rows = new Map<string, Row>();
  /** The rows that a crash brings back. */
  const undone = new Map<string, Row>();
  const gateways = new Map<string, { incarnation: number; beatAt: number; confirmed: number }>();
  let settings: StoredSettings | undefined;
  let lastNumber = 0;
  let faults: { fault: EngineFault; left: number }[] = [];
  let held: { calls: readonly EngineCall[]; until: Promise<void> } | undefined;
  let underWay = 0;

  const nameOf = (key: Uint8Array) => Buffer.from(key).toString("hex");
  const keyOf = (name: string) => new Uint8Array(Buffer.from(name, "hex"));
  /** As a call over a network: it begins later, and ends later. */
  async function call<T>(kind: EngineCall, work: () => T): Promise<T> {
    underWay++;
    try {
      await new Promise(setImmediate);
      if (held?.calls.includes(kind)) await held.until;
      const struck = faults.find(({ fault }) => fault.calls?.includes(kind) ?? true);
      if (struck === undefined) {
        const answer = work();
        await new Promise(setImmediate);
        return answer;
      }
      if (--struck.left === 0) faults = faults.filter((one) => one !== struck);
      if (struck.fault.takesEffect === true) work();
      throw new StorageError("unavailable", `the engine fails at ${kind}`);
    } finally {
      underWay--;
    }
  }

  function change(asked: Change): boolean {
    const { key, fence, step, to, digest, firstDate, bound } = asked;
    const row = rows.get(nameOf(key));
    if (row === undefined || row.fence !== fence || row.step > step) return false;
    if (!isForgotten(asked, row.state)) undone.delete(nameOf(key));
    else if (!undone.has(nameOf(key))) undone.set(nameOf(key), { ...row });
    row.step = step;
    row.bound = bound && HELD.has(to as RecordState);
    if (to === "absent") rows.delete(nameOf(key));
    else if (to === "restored" || to === "forgotten") {
      Object.assign(row, { state: "relayed", incarnation: undefined, firstDate: undefined });
      row.digest = row.relayed?.digest ?? digest;
      if (to === "forgotten") {
        row.forgottenAt = row.relayed?.at;
        row.changedAt = now();
      }
    } else {
      Object.assign(row, { state: to, digest, firstDate });
      if (!HELD.has(to)) row.incarnation = undefined;
      if (to === "relayed") row.relayed = { at: Math.max(now(), (row.relayed?.at ?? 0) + 1), digest };
      if (to !== "reclaimed" && to !== "remembered") row.changedAt = now();
    }
    return true;
  }

  function connect(): Engine {
    let { retentionMs, leaseMs } = limits;
    const live = () => [...gateways.values()].filter(({ beatAt }) => now() < beatAt + leaseMs);
    const isAlive = (incarnation: number) => live().some((one) => one.incarnation === incarnation);
    const gatewayOf = (incarnation: number) =>
      [...gateways].find(([, one]) => one.incarnation === incarnation)?.[0];
    const isOld = (time: number) => time < now() - retentionMs;

    function recordOf(row: Row): LedgerRecord {
      const { incarnation, forgottenAt, ...rest } = row;
      const holder: Holder | undefined =
        incarnation === undefined
          ? undefined
          : { incarnation, alive: isAlive(incarnation), gateway: gatewayOf(incarnation) };
      const expired = row.relayed !== undefined && isOld(row.relayed.at);
      return {
        ...rest,
        holder,
        expired,
        forgotten: row.relayed !== undefined && row.relayed.at === forgottenAt,
      };
    }

    return {
      name: "memory",
      callMaxMs: 1000,
      register: (gateway) =>
        call("register", () => {
          gateways.set(gateway, { incarnation: ++lastNumber, beatAt: now(), confirmed: 0 });
          return lastNumber;
        }),
      beat: (gateway, incarnation, confirmed) =>
        call("beat", () => {
          const one = gateways.get(gateway);
          const current = one?.incarnation === incarnation;
          if (one !== undefined && current) Object.assign(one, { beatAt: now(), confirmed });
          const all = live();
          const least = Math.min(...all.map((each) => each.confirmed), confirmed);
          return { current, gateways: Math.max(all.length, 1), settings, confirmed: least };
        }),
      limit(next) {
        ({ retentionMs, leaseMs } = next);
      },
      settings: () => call("settings", () => settings),
      putSettings: (from, next) =>
        call("settings", () => {
          if ((settings?.version ?? 0) !== from) return false;
          settings = next;
          return true;
        }),
      async retire(gateway, incarnation) {
        const one = gateways.get(gateway);
        if (one?.incarnation === incarnation) one.beatAt = Number.NEGATIVE_INFINITY;
      },
      insert: (incarnation, batch) =>
        call("insert", () =>
          batch.map(({ key, digest }) => {
            const row = rows.get(nameOf(key));
            if (row !== undefined) return { kind: "found", record: recordOf(row) };
            const fence = ++lastNumber;
            rows.set(nameOf(key), {
              state: "claimed",
              fence,
              step: 0,
              incarnation,
              digest,
              firstDate: undefined,
              relayed: undefined,
              forgottenAt: undefined,
              bound: false,
              changedAt: now(),
            });
            return { kind: "inserted", fence };
          }),
        ),
      read: (keys) =>
        call("read", () =>
          keys.map((key) => {
            const row = rows.get(nameOf(key));
            return row === undefined ? undefined : recordOf(row);
          }),
        ),
      take: (incarnation, batch) =>
        call("take", () =>
          batch.map(({ key, from, to, digest, firstDate, relayed }) => {
            const row = rows.get(nameOf(key));
            if (row === undefined || row.fence !== from.fence) return undefined;
            if (row.state !== from.state || row.step !== from.step) return undefined;
            const fence = ++lastNumber;
            Object.assign(row, {
              state: to,
              fence,
              step: 0,
              incarnation,
              digest,
              firstDate,
              relayed,
              bound: false,
            });
            if (to === "claimed") row.changedAt = now();
            return fence;
          }),
        ),
      change: (batch) => call("change", () => batch.map(change)),
      async *open() {
        const found = await call("open", () =>
          [...rows].filter(([, { state }]) => !["claimed", "queued", "relayed"].includes(state)),
        );
        for (const [name, row] of found) yield { key: keyOf(name), record: recordOf(row) };
      },
      sweep: (announce) =>
        call("sweep", () => {
          const expired = [...rows].filter(([, row]) => {
            if (row.state === "relayed") return isOld(row.relayed?.at ?? 0);
            return isOld(row.changedAt) && (row.incarnation === undefined || !isAlive(row.incarnation));
          });
          const step = expired.slice(0, SWEEP_STEP);
          const doubts = step.flatMap(([name, { firstDate }]) =>
            firstDate === undefined ? [] : [{ key: keyOf(name), firstDate }],
          );
          for (const doubt of doubts) announce(doubt);
          for (const [name] of step) rows.delete(name);
          return { removed: step.length, doubts, more: expired.length > step.length };
        }),
      async close() {},
    };
  }

  return {
    connect,
    fail: (fault) => void faults.push({ fault, left: fault.times ?? Number.POSITIVE_INFINITY }),
    mend() {
      faults = [];
    },
    get underWay() {
      return underWay;
    },
    hold(calls) {
      let release: () => void = () => {};
      const until = new Promise<void>((resolve) => {
        release = resolve;
      });
      held = { calls, until };
      return () => {
        held = undefined;
        release();
      };
    },
    rows: () => rows.size,
    crash() {
      for (const [name, row] of undone) rows.set(name, row);
      undone.clear();
    },
  };
}
