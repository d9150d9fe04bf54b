// An operator beside the load who acts on the queue: holds, releases, retries, bounces and removes mails, until the gateway is
// gone or the load is over; and what a start has to know of it.
import type { OrderKind } from "../../src/dispatch/order.ts";
import { gatewayQueue } from "../../src/operator/http/queue-client.ts";
import type { QueueEntry } from "../../src/operator/queue/words.ts";
import type { Chance } from "./chance.ts";
import type { Tracked } from "./tally.ts";

/** By recipient: the last order that was answered, where none was under way at the end. */
export type LeftOrders = Map<string, OrderKind>;

/** Orders at once. */
const AT_ONCE = 12;

/** Between two looks at the queue, so that mail is attempted. */
const REST_MS = 5;

export async function orderSome(
  dataFolder: string,
  track: (recipient: string) => Pick<Tracked, "removals"> | undefined,
  chance: Chance,
  isOver: () => boolean,
): Promise<LeftOrders> {
  const desk = gatewayQueue(dataFolder);
  const left: LeftOrders = new Map();

  const order = async ({ id, recipient, hold }: QueueEntry): Promise<void> => {
    const mail = track(recipient);
    if (mail === undefined) return;
    const kinds: readonly OrderKind[] =
      hold === undefined
        ? ["hold", "hold", "retry", "bounce", "remove"]
        : ["release", "release", "bounce", "remove"];
    const kind = kinds[chance.below(kinds.length)] as OrderKind;
    const before = left.get(recipient);
    left.delete(recipient);
    // Before it is asked: nobody knows what becomes of it when the gateway is killed.
    if (kind === "remove") mail.removals += 1;
    const page = await desk.order({ kind, reason: "a test" }, { names: [id] }, { all: false, limit: 1 });
    const [result] = page.kind === "given" ? page.items : [];
    if (result?.ok === true) left.set(recipient, kind);
    else {
      if (before !== undefined) left.set(recipient, before);
      if (kind === "remove") mail.removals -= 1;
    }
  };

  try {
    while (!isOver()) {
      const { items } = await desk.list({}, { limit: 100 });
      await Promise.all(chance.shuffled(items).slice(0, AT_ONCE).map(order));
      await new Promise((resolve) => setTimeout(resolve, REST_MS));
    }
  } catch {
    // The gateway is gone.
  }
  return left;
}

/** Releases all that is held at a gateway that has just started. @returns what of the orders does not agree */
export async function releaseAfter(dataFolder: string, left: LeftOrders): Promise<string[]> {
  const desk = gatewayQueue(dataFolder);
  const { items } = await desk.list({}, { limit: 1_000 });
  const held = new Set(items.filter(({ hold }) => hold === "operator").map(({ recipient }) => recipient));
  const there = new Set(items.map(({ recipient }) => recipient));
  const faults = [...left].flatMap(([recipient, kind]) => {
    if (kind === "hold" && !held.has(recipient)) return [`${recipient}: was held, and is not after a start`];
    if (kind !== "hold" && held.has(recipient))
      return [`${recipient}: was ${kind}d, and is held after a start`];
    const isGone = kind === "remove" || kind === "bounce";
    return isGone && there.has(recipient) ? [`${recipient}: was ${kind}d, and is queued after a start`] : [];
  });
  await desk.order({ kind: "release" }, { filter: { state: "held" } }, { all: true, limit: 200 });
  return faults;
}
