// When a gateway is killed that reads events: between the receipt of a message and its removal. Some moments are seen at the
// door of the queue or at SES, others inside the process, by the steps of test/crash.
import type { World } from "./world.ts";

export interface Moment {
  readonly name: string;
  /** How it is recognised: by the step of the crash tests, or from outside. `kill` kills at once. */
  readonly at: { readonly step: string } | ((world: World, nth: number, kill: () => void) => void);
  /** It dies at the nth occurrence; n is drawn from 1 to this. */
  readonly occurrences: number;
}

/** So many milliseconds after a receipt its ten messages are settled and removed, as a rule. */
const SETTLING_MS = 40;

type Fault = "drop" | "lost-answer";

/** The gateway asks the queue for it and dies: the call does not get there, or it does. */
const asked =
  (action: string, fault: Fault) =>
  ({ events }: World, nth: number, kill: () => void): void => {
    let left = nth;
    events.play((call) => {
      if (call.action !== action || --left !== 0) return undefined;
      kill();
      return fault;
    });
  };

async function received({ events }: World, nth: number): Promise<void> {
  for (let times = 0; times < nth; times++) await events.answered("ReceiveMessage");
}

export const moments: readonly Moment[] = [
  {
    name: "a receipt is on its way",
    at: asked("ReceiveMessage", "lost-answer"),
    occurrences: 3,
  },
  {
    name: "some time after a receipt",
    at(world, nth, kill) {
      void received(world, nth).then(() => setTimeout(kill, world.chance.below(SETTLING_MS)));
    },
    occurrences: 3,
  },
  { name: "before a removal", at: asked("DeleteMessageBatch", "drop"), occurrences: 3 },
  { name: "after a removal", at: asked("DeleteMessageBatch", "lost-answer"), occurrences: 3 },
  {
    name: "SES has taken some",
    at({ ses }, nth, kill) {
      void ses.waitFor(ses.taken.length + nth).then(kill);
    },
    occurrences: 10,
  },
  ...[
    ...["before the settlement by evidence", "after the settlement by evidence"],
    ...["before the removal after evidence", "after the removal after evidence"],
  ].map((step) => ({ name: step, at: { step }, occurrences: 6 })),
];
