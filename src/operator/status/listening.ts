// How many mails wait for evidence, of all lanes together: they are in doubt, and need nobody for now. Pure.
import { waits } from "../listens.ts";
import type { Status } from "./schema.ts";

export interface ListeningMails {
  readonly count: number;
  /** "3 wait for SES's events until 2026-11-27T12:34:00Z": until when the last of them does. */
  readonly text: string;
}

export function listeningIn({ lanes }: Pick<Status, "lanes">): ListeningMails | undefined {
  const all = lanes.flatMap(({ held }) => held.listening ?? []);
  const count = all.reduce((sum, one) => sum + one.count, 0);
  const last = all.map(({ until }) => until).sort();
  return count === 0 ? undefined : { count, text: `${waits(count)} until ${shortTime(last.at(-1) ?? "")}` };
}

const shortTime = (time: string): string => time.replace(/\.\d+Z$/, "Z");
