// What is wrong after a gateway was killed again and again: something in doubt whose events were removed, a mail lost or gone
// twice, or something counted twice.
import type { Id } from "../../src/identity/message-id.ts";
import { createDiskStorage } from "../../src/storage/disk.ts";
import { keepHistory } from "../history/place.ts";
import type { World } from "./world.ts";

/** Of an id, that are looked through: one has some ten. */
const EVENTS_MAX = 100;

/** What is to be true of the mails in the end, and is not: one sentence each. */
export function faultsOf(
  { mails, copies, planOf, events }: World,
  inDoubt: readonly string[],
  settled: ReadonlyMap<string, number>,
): string[] {
  const dead = events.dead();
  return [
    ...inDoubt
      .filter((recipient) => copies.has(recipient) && planOf(recipient).events !== "never")
      .map((recipient) => `${recipient} is in doubt, and its events were removed`),
    ...mails
      .filter(({ recipient }) => !copies.has(recipient) && !inDoubt.includes(recipient))
      .map(({ recipient }) => `${recipient} is lost: SES never got it, and it is not in doubt`),
    ...[...copies].flatMap(([recipient, times]) =>
      times > 1 ? [`SES has ${recipient} ${times} times`] : [],
    ),
    ...[...settled].flatMap(([recipient, times]) =>
      times > 1 ? [`${recipient} was settled ${times} times`] : [],
    ),
    ...(dead === 0 ? [] : [`${dead} events are in the dead-letter queue`]),
  ];
}

/** What people are shown later: nothing twice, and nothing lost of what was removed. The gateway does not run any more. */
export async function historyFaultsOf({ ses, planOf }: World, data: string): Promise<string[]> {
  const { history, clock } = await keepHistory(createDiskStorage(data));
  clock.set(Date.now());
  const faults: string[] = [];
  try {
    for (const { messageId, recipients } of ses.taken) {
      const [, id = ""] = /^<([a-z2-7]{32})@/.exec(messageId) ?? [];
      const { items } = await history.ofId(id as Id, { limit: EVENTS_MAX });
      const times = timesOf(items.map(({ kind }) => kind));
      for (const kind of ["evidence", "sent", "delivered"]) {
        const count = times.get(kind) ?? 0;
        if (count > 1) faults.push(`the history of ${id} has "${kind}" ${count} times`);
      }
      const wasSaid = planOf(recipients[0] ?? "").events !== "never";
      if (wasSaid && !times.has("delivered")) faults.push(`the history of ${id} has no "delivered"`);
    }
  } finally {
    await history.close();
  }
  return faults;
}

export function timesOf(names: readonly string[]): Map<string, number> {
  const times = new Map<string, number>();
  for (const name of names) times.set(name, (times.get(name) ?? 0) + 1);
  return times;
}
