// An operator who lets tasks send again: comes at any step of a gateway's life or at any time, has an id forgotten that was
// relayed, or may have been, at a gateway that is up or in the data folder of one that is not; and the queue runs its task
// again, then or before, or not at all.
import { deriveId } from "../../src/identity/message-id.ts";
import type { Life, Machine } from "./machine.ts";
import type { Task } from "./plan.ts";
import type { Site } from "./site.ts";
import type { SimulatedUpstream } from "./upstream.ts";

export interface ForgetterActor {
  /** Forgets something at the machine's gateway, if it is up. */
  visit(machine: Machine): void;
  /** Opens the data folder between two lives, this time. */
  goesOffline(): boolean;
  /** Forgets something in the data folder that a command of this life has open. */
  forgetOffline(life: Life): Promise<void>;
  /** Wishes under way, at gateways that can still answer. */
  isBusy(machines: readonly Machine[]): boolean;
  /** Resolves when the gateway of this life has answered all that it was asked. */
  idle(life: Life): Promise<void>;
}

/** Steps at which they come: those around the end of an attempt, and of a mail that was accepted anew. */
const STEPS = [
  "",
  "commit ledger/generation",
  "commit spool/queue",
  "write spool/queue",
  "upstream answers",
  "engine change",
  "engine take",
  "forget answered",
  "reply",
  "timer",
] as const;

const AGAIN_MS = [0, 100, 60_000] as const;

/** @param deliver has the queue run the task */
export function createForgetter(
  site: Site,
  machines: readonly Machine[],
  upstream: SimulatedUpstream,
  deliver: (task: Task, after: number) => void,
): ForgetterActor | undefined {
  const { plan, history } = site;
  const { forgetter, tasks } = plan;
  if (forgetter === undefined) return undefined;
  const { chance } = forgetter;
  const { secret, namespace } = plan.config.identity;
  const keyed = tasks.flatMap((task) =>
    task.mails.flatMap(({ recipients, part = "" }) =>
      recipients.flatMap((recipient) =>
        task.id === undefined
          ? []
          : [{ task, id: deriveId({ secret, namespace, task: task.id, recipient, part }) }],
      ),
    ),
  );
  let wishes = 0;
  const asking = new Map<Life, Promise<void>>();

  async function ask(life: Life, { id, task }: (typeof keyed)[number]): Promise<void> {
    const { machine, forget } = life;
    if (forget === undefined) return;
    const wish = { number: ++wishes, gateway: machine.number, life: life.number, id };
    history.add({ kind: "forget_asked", wish });
    if (chance.happens(forgetter?.redelivers ?? 0)) {
      deliver(task, chance.pick([chance.between(0, 100), ...AGAIN_MS]));
    }
    if (!machine.step(life, "forget asked")) return;
    const said = await forget.forget(id, {}).then(
      (made) => (made.ok ? "forgotten" : made.why),
      (error: unknown) => (life.isAlive ? { failed: String(error) } : undefined),
    );
    if (!life.isAlive || said === undefined) return;
    history.add({ kind: "forget_answered", wish, said });
    machine.step(life, "forget answered");
  }

  async function forgetSome(life: Life): Promise<void> {
    // Most of what is not relayed is refused, and some of it is worth asking for.
    const there = keyed.filter(({ id }) => upstream.has(id) || chance.happens(0.2));
    if (there.length === 0) return;
    const some = chance.happens(0.7) ? [chance.pick(there as [(typeof keyed)[number]])] : there;
    const twice = chance.happens(forgetter?.twice ?? 0) ? some : [];
    await Promise.all([...some, ...twice].map((one) => ask(life, one)));
  }

  function requested(life: Life): Promise<void> {
    const asked = Promise.all([asking.get(life), forgetSome(life)]).then(() => {
      if (asking.get(life) === asked) asking.delete(life);
    });
    asking.set(life, asked);
    return asked;
  }

  function visit(machine: Machine): void {
    const { life } = machine;
    if (life.forget !== undefined && !machine.isPaused && !site.isHealed) void requested(life);
  }

  const fateOf = () => {
    const at = chance.pick(STEPS);
    return { at, left: chance.between(1, at === "" ? 60 : 6) };
  };
  const fates = new Map(machines.map((machine) => [machine, fateOf()]));
  if (chance.happens(forgetter.atSteps)) {
    for (const machine of machines) {
      const others = machine.onStep;
      machine.onStep = (life, name) => {
        others?.(life, name);
        const fate = fates.get(machine);
        if (site.isHealed || life.forget === undefined || fate === undefined) return;
        if (!name.startsWith(fate.at) || --fate.left > 0) return;
        fates.set(machine, fateOf());
        // The step itself goes on first.
        queueMicrotask(() => visit(machine));
      };
    }
  }

  return {
    visit,
    goesOffline: () => chance.happens(forgetter.offline),
    forgetOffline: (life) => requested(life),
    isBusy: (there) => there.some(({ life }) => asking.has(life)),
    idle: async (life) => await asking.get(life),
  };
}
