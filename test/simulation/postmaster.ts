// An operator who acts on the queue: comes at any step of a gateway's life or at any time, has mails retried, held, released,
// bounced and removed, one or many, once, twice or in two ways at the same time, at a gateway that is up or in the data
// folder of one that is not. In the end they release what they hold.
import { ORDER_KINDS, type OrderKind } from "../../src/dispatch/order.ts";
import { deriveId } from "../../src/identity/message-id.ts";
import type { Evidence } from "./evidence.ts";
import type { Ordering } from "./history.ts";
import type { Life, Machine } from "./machine.ts";
import type { Site } from "./site.ts";

export interface PostmasterActor {
  /** Gives some orders at the machine's gateway, if it is up. */
  visit(machine: Machine): void;
  /** Opens the data folder between two lives, this time. */
  goesOffline(): boolean;
  /** Gives an order in the data folder that a command of this life has open. */
  orderOffline(life: Life): Promise<void>;
  /** Releases all that they hold at these gateways. */
  releaseAll(machines: readonly Machine[]): Promise<void>;
  /** Orders under way, at gateways that can still answer. */
  isBusy(machines: readonly Machine[]): boolean;
  /** Resolves when the gateway of this life has answered all that it was asked. */
  idle(life: Life): Promise<void>;
}

/** Steps at which they come: those around an attempt, its end, and an order before. */
const STEPS = [
  "",
  "commit ledger/state",
  "commit ledger/generation",
  "commit spool/queue",
  "write spool/queue",
  "upstream called",
  "upstream answers",
  "order asked",
  "order answered",
  "engine change",
  "reply",
  "timer",
] as const;

export function createPostmaster(
  site: Site,
  machines: readonly Machine[],
  evidence: Evidence,
): PostmasterActor | undefined {
  const { plan, history } = site;
  const { postmaster } = plan;
  if (postmaster === undefined) return undefined;
  const { chance } = postmaster;
  const { secret, namespace } = plan.config.identity;
  /** Whose ids a client knows: of the others nobody could say whether they are lost. */
  const keyed = new Set<string>(
    plan.tasks.flatMap((task) =>
      task.mails.flatMap(({ recipients, part = "" }) =>
        recipients.flatMap((recipient) =>
          task.id === undefined ? [] : [deriveId({ secret, namespace, task: task.id, recipient, part })],
        ),
      ),
    ),
  );
  let orders = 0;
  const asking = new Map<Life, Promise<void>>();
  /** Orders that are not answered yet, each with what else was ordered about its mail meanwhile. */
  const unanswered = new Set<{ readonly id: string; readonly kind: OrderKind; isContradicted: boolean }>();

  async function ask(life: Life, id: string, kind: OrderKind, resend = false): Promise<void> {
    const { machine, queue } = life;
    if (queue === undefined) return;
    const order: Ordering = {
      ...{ number: ++orders, gateway: machine.number, life: life.number, id, kind, resend },
    };
    history.add({ kind: "order_asked", order });
    if (!machine.step(life, "order asked")) return;
    const others = [...unanswered].filter((other) => other.id === id && other.kind !== kind);
    for (const other of others) other.isContradicted = true;
    const mine = { id, kind, isContradicted: others.length > 0 };
    unanswered.add(mine);
    const before = evidence.recordsOf(machine, id);
    const said = await queue
      .order({ kind, resend, reason: "simulated" }, { names: [id] }, { all: false, limit: 1 })
      .then(
        (page) => {
          const [result] = page.kind === "many" ? [] : page.items;
          if (result === undefined) return { failed: "no result" };
          return result.ok
            ? { next: result.next, already: result.already === true }
            : { refused: result.why };
        },
        (error: unknown) => ({ failed: String(error) }),
      );
    unanswered.delete(mine);
    if (!life.isAlive) return;
    const isDurable = !("next" in said) || mine.isContradicted || isSo(machine, id, said.next, before);
    history.add({ kind: "order_answered", order, said, isDurable });
    machine.step(life, "order answered");
  }

  /** What was answered would be so after a loss of power. */
  const isSo = (machine: Machine, id: string, next: string, before: ReadonlyMap<string, string>): boolean => {
    const records = evidence.recordsOf(machine, id);
    if (next === "held") return [...records.values()].some((text) => text.includes('"hold":"operator"'));
    // One that has ended may still wait for its report, and a copy may have come when the claim was free.
    const isLeft = ([key, text]: readonly [string, string]): boolean =>
      before.has(key) && !text.includes('"ended":');
    return next === "removed" ? ![...records].some(isLeft) : true;
  };

  /** The ids that are there, of those that are known; none when the gateway can't say, or ends. */
  async function listed(life: Life): Promise<string[]> {
    const page = await life.queue?.list({}, { limit: 1_000 }).catch(() => undefined);
    return (page?.items ?? []).map(({ id }) => id).filter((id) => keyed.has(id));
  }

  const resends = (): boolean => chance.happens(postmaster?.resends ?? 0);

  const kindOf = (): OrderKind =>
    chance.happens(0.3) ? "retry" : chance.pick([...ORDER_KINDS] as [OrderKind, ...OrderKind[]]);

  async function orderOne(life: Life, id: string): Promise<void> {
    const kinds = [kindOf()];
    if (chance.happens(postmaster?.twice ?? 0)) kinds.push(kinds[0] as OrderKind);
    if (chance.happens(postmaster?.contradicts ?? 0)) kinds.push(kindOf());
    await Promise.all(kinds.map((kind) => ask(life, id, kind, resends())));
  }

  async function orderSome(life: Life): Promise<void> {
    const there = await listed(life);
    const [first, ...others] = [...keyed];
    const remembered = first !== undefined && chance.happens(0.2) ? [chance.pick([first, ...others])] : [];
    const some = new Set([...there.filter(() => chance.happens(0.5)), ...remembered]);
    // A command of a stopped gateway is alone, and gives one order about a mail.
    const give = (id: string) =>
      life.relay === undefined ? ask(life, id, kindOf(), resends()) : orderOne(life, id);
    await Promise.all([...some].map(give));
  }

  function requested(life: Life, work: () => Promise<void>): Promise<void> {
    const asked = Promise.all([asking.get(life), work()]).then(() => {
      if (asking.get(life) === asked) asking.delete(life);
    });
    asking.set(life, asked);
    return asked;
  }

  function visit(machine: Machine): void {
    const { life } = machine;
    if (life.queue === undefined || machine.isPaused || site.isHealed) return;
    void requested(life, () => orderSome(life));
  }

  const fateOf = () => {
    const at = chance.pick(STEPS);
    return { at, left: chance.between(1, at === "" ? 60 : 6) };
  };
  const fates = new Map(machines.map((machine) => [machine, fateOf()]));
  if (chance.happens(postmaster.atSteps)) {
    for (const machine of machines) {
      const others = machine.onStep;
      machine.onStep = (life, name) => {
        others?.(life, name);
        const fate = fates.get(machine);
        if (site.isHealed || life.queue === undefined || fate === undefined) return;
        if (!name.startsWith(fate.at) || --fate.left > 0) return;
        fates.set(machine, fateOf());
        // The step itself goes on first.
        queueMicrotask(() => visit(machine));
      };
    }
  }

  return {
    visit,
    goesOffline: () => chance.happens(postmaster.offline),
    orderOffline: (life) => requested(life, () => orderSome(life)),

    async releaseAll(there) {
      const at = ({ life }: Machine) =>
        requested(life, async () => {
          const page = await life.queue?.list({ state: "held" }, { limit: 1_000 });
          const held = (page?.items ?? []).filter(({ hold }) => hold === "operator");
          await Promise.all(held.map(({ id }) => ask(life, id, "release")));
        });
      await Promise.all(there.map(at));
      history.add({ kind: "all_released" });
    },

    isBusy: (there) => there.some(({ life }) => asking.has(life)),
    idle: async (life) => await asking.get(life),
  };
}
