// `mailonce explain`: the answer first, then what happened. Asks the gateway that runs on the data folder, or opens the folder
// when none does.

import { isFate } from "../history/fate.ts";
import { NOTHING_KNOWN } from "../operator/explain/answer.ts";
import { fateText, fateWords, settledWords } from "../operator/explain/fate-words.ts";
import { observedWords } from "../operator/explain/observed-words.ts";
import {
  type ExplainDesk,
  type Explained,
  type ExplainedEvent,
  MATCHES,
  type Match,
} from "../operator/explain/words.ts";
import { gatewayExplain } from "../operator/http/explain-client.ts";
import { idIn } from "../operator/id-in.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { withDesk } from "./operate.ts";
import { isForPrograms, type JsonOption, jsonLine, print } from "./print.ts";

const loadStoppedExplain = async () => (await import("../operator/explain/stopped.ts")).stoppedExplain;

export interface ExplainOptions extends JsonOption {
  readonly task?: string;
  readonly to?: string;
  readonly part?: string;
  readonly user?: string;
  readonly config?: string;
}

export async function explain(name: string | undefined, options: ExplainOptions): Promise<number> {
  const { task, to, part, user } = options;
  const isByTask = task !== undefined;
  if ((name === undefined) !== isByTask || (!isByTask && (to ?? part ?? user) !== undefined)) {
    const fault =
      "say either an id, a Message-ID or an upstream's id, or --task, with --to for one recipient";
    return reportFaults([fault], exitCodes.badConfiguration);
  }
  return await withDesk(options.config, gatewayExplain, loadStoppedExplain, async (desk) => {
    try {
      const id = name === undefined ? undefined : idIn(name);
      if (id !== undefined) return await explainOne(desk, id, options);
      const query = isByTask ? { task, to, part, user } : { upstreamId: name ?? "" };
      const lineOf = isForPrograms(options) ? jsonLine : matchLine;
      const held: Match[] = [];
      let count = 0;
      let cursor: string | undefined;
      do {
        const page = await desk.find(query, { limit: MATCHES, cursor });
        held.push(...page.items);
        count += page.items.length;
        cursor = page.next;
        // One alone is explained whole, which is known at the end.
        if (count > 1) await print(held.splice(0).map(lineOf).join(""));
      } while (cursor !== undefined);
      if (count > 1) return exitCodes.ok;
      const [only] = held;
      return only === undefined ? await nothing(options) : await explainOne(desk, only.id, options);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      return reportFaults([error.message], exitCodes.badConfiguration);
    }
  });
}

async function explainOne(desk: ExplainDesk, id: string, options: ExplainOptions): Promise<number> {
  const explained = await desk.explain(id);
  if (explained === undefined) return await nothing(options);
  await print(isForPrograms(options) ? jsonLine(explained) : pageOf(explained));
  return exitCodes.ok;
}

async function nothing(options: ExplainOptions): Promise<number> {
  await print(isForPrograms(options) ? jsonLine({ answer: NOTHING_KNOWN }) : `${NOTHING_KNOWN}\n`);
  return exitCodes.nothingMatched;
}

const matchLine = ({ id, recipient, answer }: Match): string =>
  `${id}  ${recipient === undefined ? "" : `${recipient}  `}${answer}\n`;

function pageOf({ id, answer, ledger, mail = {}, timeline, isCut }: Explained): string {
  const accepted = timeline.find((event): event is ExplainedEvent & Accepted => event.kind === "accepted");
  const facts = [
    ["id", id],
    ["Message-ID", mail.messageId],
    ["recipient", mail.recipient ?? accepted?.recipient],
    ["task", mail.task ?? accepted?.task],
    ["ledger", ledger.gateway === undefined ? ledger.state : `${ledger.state} (${ledger.gateway})`],
    ["queue", mail.state],
  ].flatMap(([title, value]) => (value === undefined ? [] : [`  ${title?.padEnd(10)}  ${value}\n`]));
  const events = timeline.map((event) => `${event.at}  ${saidOf(event)}\n`);
  const cut = isCut === true ? "(older events are left out)\n" : "";
  const happened = events.length === 0 ? "" : `\n${cut}${events.join("")}`;
  return `${answer}\n\n${facts.join("")}${happened}`;
}

interface Accepted {
  readonly recipient?: string;
  readonly task?: string;
}

/** What an event has beside its kind and time; a newer gateway may have more kinds. */
type Fields = Readonly<Record<string, string | number | undefined>>;

function saidOf(event: ExplainedEvent): string {
  const fields = event as unknown as Fields;
  const optional = (before: string, value: string | number | undefined, after = ""): string =>
    value === undefined || value === "" ? "" : `${before}${value}${after}`;
  if (isFate(event.kind)) {
    const fate = { ...event, kind: event.kind };
    return `${fateWords(fate)}${optional(", as ", fields.upstreamId)}${optional(": ", fateText(fate))}`;
  }
  switch (event.kind) {
    case "accepted":
      return `accepted${optional(" from ", fields.client)}${optional(", user ", fields.user)}${optional(", as ", fields.submission)}`;
    case "attempt":
      return `attempt by ${fields.upstream}: ${fields.outcome}${optional(", as ", fields.upstreamId)}${optional(": ", fields.reply)}`;
    case "repeats":
      return `${fields.count} repeat${fields.count === 1 ? "" : "s"} dropped`;
    case "ended":
      return `${fields.reason}${optional(": ", fields.cause)}`;
    case "decision":
      return `an operator decided: ${fields.decision}${optional(", so it is ", fields.next)}${optional(" (", fields.reason, ")")}`;
    case "evidence": {
      const words = settledWords(event.source);
      return `${words.by}: ${words.as}${optional(", as ", fields.upstreamId)}`;
    }
    case "doubt":
      return `found in doubt since ${fields.since}${optional(": ", fields.cause)}`;
    case "second_copy":
      return `a second copy is proven${optional(", ", fields.upstreamId)}${optional(": ", fields.cause)}`;
    case "observed":
      return observedWords(event);
    default:
      return String(fields.kind);
  }
}
