// An operator who pauses the upstream and resumes it: comes at any step of a gateway's life or at any time, at a gateway
// that is up or in the data folder of one that is not. When faults have ended all is resumed, so that mail goes on.
import type { PausingDesk } from "../../src/operator/pausing.ts";
import type { Life, Machine } from "./machine.ts";
import type { Site } from "./site.ts";

export interface PauserActor {
  /** Pauses or resumes at the machine's gateway, if it is up. */
  visit(machine: Machine): void;
  /** Opens the data folder between two lives, this time. */
  goesOffline(): boolean;
  /** Pauses or resumes in the data folder that a command of this life has open. */
  decideOffline(life: Life): Promise<void>;
  /** Resumes at the gateway of this life; for when faults have ended. */
  resume(life: Life): void;
  /** Orders under way, at gateways that can still answer. */
  isBusy(machines: readonly Machine[]): boolean;
  /** Resolves when the gateway of this life has answered all that it was asked. */
  idle(life: Life): Promise<void>;
}

/** Steps at which they come: those around an attempt that is about to begin. */
const STEPS = [
  "",
  "commit ledger/state",
  "commit spool/queue",
  "commit spool/queue",
  "upstream called",
  "upstream answers",
  "engine change",
  "pause answered",
  "timer",
] as const;

const FOR_MS: [number, ...number[]] = [500, 5_000, 60_000];

export function createPauser(site: Site, machines: readonly Machine[]): PauserActor | undefined {
  const { plan, history } = site;
  const { pauser } = plan;
  if (pauser === undefined) return undefined;
  const { chance } = pauser;
  let orders = 0;
  const asking = new Map<Life, Promise<void>>();

  async function ask(life: Life, what: "pause" | "resume"): Promise<void> {
    const { machine, pausing } = life;
    if (pausing === undefined) return;
    const forMs = what === "pause" && chance.happens(pauser?.ends ?? 0) ? chance.pick(FOR_MS) : undefined;
    const order = { number: ++orders, gateway: machine.number, life: life.number, what, forMs };
    history.add({ kind: "pause_asked", order });
    if (!machine.step(life, "pause asked")) return;
    const said = await made(pausing, what, forMs).then(
      () => "done" as const,
      (error: unknown) => ({ failed: String(error) }),
    );
    if (!life.isAlive) return;
    history.add({ kind: "pause_answered", order, said });
    machine.step(life, "pause answered");
  }

  const made = (desk: PausingDesk, what: "pause" | "resume", forMs: number | undefined): Promise<unknown> =>
    what === "pause" ? desk.pause(undefined, { forMs }) : desk.resume(undefined, {});

  async function askSome(life: Life): Promise<void> {
    const what = chance.happens(0.6) ? "pause" : "resume";
    const other = chance.happens(pauser?.contradicts ?? 0) ? [what === "pause" ? "resume" : "pause"] : [];
    await Promise.all([what, ...other].map((one) => ask(life, one as "pause" | "resume")));
  }

  function requested(life: Life, work: (life: Life) => Promise<void>): Promise<void> {
    const asked = Promise.all([asking.get(life), work(life)]).then(() => {
      if (asking.get(life) === asked) asking.delete(life);
    });
    asking.set(life, asked);
    return asked;
  }

  function visit(machine: Machine): void {
    const { life } = machine;
    if (life.pausing !== undefined && !machine.isPaused && !site.isHealed) void requested(life, askSome);
  }

  const fateOf = () => {
    const at = chance.pick(STEPS);
    return { at, left: chance.between(1, at === "" ? 60 : 6) };
  };
  const fates = new Map(machines.map((machine) => [machine, fateOf()]));
  if (chance.happens(pauser.atSteps)) {
    for (const machine of machines) {
      const others = machine.onStep;
      machine.onStep = (life, name) => {
        others?.(life, name);
        const fate = fates.get(machine);
        if (site.isHealed || life.pausing === undefined || fate === undefined) return;
        if (!name.startsWith(fate.at) || --fate.left > 0) return;
        fates.set(machine, fateOf());
        // The step itself goes on first.
        queueMicrotask(() => visit(machine));
      };
    }
  }

  return {
    visit,
    goesOffline: () => chance.happens(pauser.offline),
    decideOffline: (life) => requested(life, askSome),
    resume: (life) => void requested(life, (one) => ask(one, "resume")),
    isBusy: (there) => there.some(({ life }) => asking.has(life)),
    idle: async (life) => await asking.get(life),
  };
}
