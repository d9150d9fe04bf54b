// What SES does with each of many mails. It takes all of them; of some it loses the answer, and of each it publishes events
// once, twice, late or never. The shares are exact, and the same among mails with an answer and without one.
import type { Chance } from "../crash/chance.ts";
import type { Publishing } from "../support/ses-publisher.ts";

export interface MailPlan {
  /** Of its first copy. */
  readonly isAnswerLost: boolean;
  /** Of its first copy. Late: after the wait for them is over. */
  readonly events: Publishing;
}

/** Parts of one. */
export interface Shares {
  readonly lost: number;
  readonly twice: number;
  readonly late: number;
  readonly never: number;
}

export function plansOf(mails: number, shares: Shares, chance: Chance): MailPlan[] {
  const lost = Math.round(mails * shares.lost);
  return chance.shuffled([
    ...publishingsOf(lost, shares).map((events) => ({ isAnswerLost: true, events })),
    ...publishingsOf(mails - lost, shares).map((events) => ({ isAnswerLost: false, events })),
  ]);
}

function publishingsOf(mails: number, shares: Shares): Publishing[] {
  const others = (["twice", "late", "never"] as const).flatMap((publishing) =>
    new Array<Publishing>(Math.round(mails * shares[publishing])).fill(publishing),
  );
  return [...others, ...new Array<Publishing>(mails - others.length).fill("once")];
}
