// The operator: comes at any step of a gateway's life or at any time, lists what is doubtful, and decides about
// it, rightly or not, once or twice or in two ways, at a gateway that is up or in the data folder of one that is
// not.
import type { Decision } from "../../src/operator/doubtful.ts";
import type { Evidence } from "./evidence.ts";
import type { Decided } from "./history.ts";
import type { Life, Machine } from "./machine.ts";
import type { Site } from "./site.ts";
import type { SimulatedUpstream } from "./upstream.ts";

export interface OperatorActor {
  /** Lists and decides at the machine's gateway, if it is up. */
  visit(machine: Machine): void;
  /** Opens the data folder between two lives, this time. */
  goesOffline(): boolean;
  /** Lists and decides about one id in the data folder that a command of this life has open. */
  decideOffline(life: Life): Promise<void>;
  /** Decides about everything that is doubtful, at every gateway of these. Resolves with what was listed. */
  decideAll(machines: readonly Machine[]): Promise<number>;
  /** Records what is still doubtful. */
  recordUndecided(machines: readonly Machine[]): Promise<void>;
  /** Decisions under way or to be repeated, at gateways that can still answer. */
  isBusy(machines: readonly Machine[]): boolean;
  /** Resolves when the gateway of this life has answered all that it was asked. */
  idle(life: Life): Promise<void>;
}

/** Steps at which they come: those around an attempt, as there is something to decide then. */
const STEPS = [
  "",
  "commit ledger/state",
  "commit ledger/generation",
  "commit spool/queue",
  "write spool/queue",
  "upstream called",
  "upstream has it",
  "upstream answers",
  "decision asked",
  "decision answered",
  "engine change",
  "engine change",
  "reply",
  "timer",
] as const;

const AGAIN_MS = [0, 100, 60_000] as const;

export function createOperator(
  site: Site,
  machines: readonly Machine[],
  evidence: Evidence,
  upstream: SimulatedUpstream,
): OperatorActor | undefined {
  const { plan, history, time } = site;
  const { operator } = plan;
  if (operator === undefined) return undefined;
  const { chance } = operator;
  let decisions = 0;
  /** Decisions that are to be sent again later. */
  let waiting = 0;
  /** Ids that were doubtful once. */
  const known: string[] = [];
  /** Requests under way, by life, and who waits for their end. */
  const asking = new Map<Life, number>();
  const onIdle = new Map<Life, (() => void)[]>();

  const fateOf = () => {
    const at = chance.pick(STEPS);
    return { at, left: chance.between(1, at === "" ? 60 : 6) };
  };
  const fates = new Map(machines.map((machine) => [machine, fateOf()]));

  async function requested(life: Life, request: () => Promise<void>): Promise<void> {
    asking.set(life, (asking.get(life) ?? 0) + 1);
    await request();
    const left = (asking.get(life) ?? 0) - 1;
    if (left > 0) asking.set(life, left);
    else {
      asking.delete(life);
      for (const tell of onIdle.get(life) ?? []) tell();
      onIdle.delete(life);
    }
  }

  /** The ids that are doubtful now; none when the gateway can't say, or ends. */
  async function listed(life: Life): Promise<string[]> {
    const entries = (await life.desk?.list().catch(() => [])) ?? [];
    const ids = entries.map(({ id }) => id);
    for (const id of ids) if (!known.includes(id)) known.push(id);
    return ids;
  }

  function decisionOn(id: string): Decision {
    const has = chance.happens(operator?.knows ?? 1) ? upstream.has(id) : chance.happens(0.5);
    return has ? "relayed" : "not-relayed";
  }

  async function ask(life: Life, id: string, decision: Decision): Promise<void> {
    const { machine, desk } = life;
    if (desk === undefined) return;
    const decided: Decided = {
      number: ++decisions,
      gateway: machine.number,
      life: life.number,
      id,
      decision,
    };
    history.add({ kind: "asked", decided });
    if (!machine.step(life, "decision asked")) return;
    const answer = await desk.resolve(id, decision).then(
      (said) => ({ next: undefined, fault: "", ...said, isKnown: true }),
      (error: unknown) => ({ next: undefined, fault: String(error), isKnown: false }),
    );
    if (!life.isAlive) return;
    const { next, fault, isKnown } = answer;
    const isDurable = next !== "relayed" || (await evidence.isRelayed(id));
    if (!life.isAlive) return;
    history.add({ kind: "decided", decided, next, fault, isKnown, isDurable });
    machine.step(life, "decision answered");
  }

  async function decide(life: Life, id: string): Promise<void> {
    const decision = decisionOn(id);
    const other = decision === "relayed" ? "not-relayed" : "relayed";
    const said: Decision[] = [decision];
    if (chance.happens(operator?.twice ?? 0)) said.push(decision);
    if (chance.happens(operator?.contradicts ?? 0)) said.push(other);
    if (chance.happens(operator?.again ?? 0)) askAgain(id, chance.pick([decision, decision, other]));
    await Promise.all(said.map((one) => ask(life, id, one)));
  }

  /** At any gateway. */
  function askAgain(id: string, decision: Decision): void {
    waiting += 1;
    time.after(chance.pick([chance.between(0, 100), ...AGAIN_MS]), () => {
      waiting -= 1;
      const machine = chance.pick(machines as [Machine, ...Machine[]]);
      const { life } = machine;
      if (life.desk !== undefined && !machine.isPaused) void requested(life, () => ask(life, id, decision));
    });
  }

  async function decideSome(life: Life): Promise<void> {
    const ids = (await listed(life)).filter(() => chance.happens(0.7));
    if (known.length > 0 && chance.happens(operator?.remembers ?? 0)) {
      ids.push(chance.pick(known as [string, ...string[]]));
    }
    await Promise.all(ids.map((id) => decide(life, id)));
  }

  function visit(machine: Machine): void {
    const { life } = machine;
    if (life.desk === undefined || machine.isPaused) return;
    void requested(life, () => decideSome(life));
  }

  if (chance.happens(operator.atSteps)) {
    for (const machine of machines) {
      machine.onStep = (life, name) => {
        const fate = fates.get(machine);
        if (site.isHealed || life.desk === undefined || fate === undefined) return;
        if (!name.startsWith(fate.at) || --fate.left > 0) return;
        fates.set(machine, fateOf());
        // The step itself goes on first.
        queueMicrotask(() => visit(machine));
      };
    }
  }

  return {
    visit,
    goesOffline: () => chance.happens(operator.offline),
    decideOffline: (life) =>
      requested(life, async () => {
        const ids = await listed(life);
        if (ids.length === 0 && !chance.happens(operator.remembers)) return;
        const [first, ...others] = ids.length > 0 ? ids : known;
        if (first === undefined) return;
        const id = chance.pick([first, ...others]);
        await ask(life, id, decisionOn(id));
      }),

    async decideAll(there) {
      let count = 0;
      const at = ({ life }: Machine) =>
        requested(life, async () => {
          const ids = await listed(life);
          count += ids.length;
          await Promise.all(ids.map((id) => ask(life, id, decisionOn(id))));
        });
      await Promise.all(there.map(at));
      return count;
    },

    async recordUndecided(there) {
      const at = ({ life, number }: Machine) =>
        requested(life, async () => {
          for (const { id, standing } of (await life.desk?.list()) ?? []) {
            history.add({ kind: "undecided", gateway: number, id, standing });
          }
        });
      await Promise.all(there.map(at));
    },

    isBusy: (there) => waiting > 0 || there.some(({ life }) => asking.has(life)),
    idle: (life) =>
      asking.has(life)
        ? new Promise<void>((resolve) => {
            onIdle.set(life, [...(onIdle.get(life) ?? []), resolve]);
          })
        : Promise.resolve(),
  };
}
