// What became of one mail: from the ledger, from this gateway's spool, and from its history.
import { canonicalRecipient } from "../../address/recipient.ts";
import { type HistoryEvent, type HistoryMail, type HistoryReader, isTold } from "../../history/history.ts";
import { deriveId, type Id } from "../../identity/message-id.ts";
import { canonicalPart, canonicalTask } from "../../identity/task.ts";
import type { Ledger, Looked } from "../../ledger/ledger.ts";
import type { Page, PageRequest } from "../../runtime/page.ts";
import { StorageError } from "../../storage/storage.ts";
import type { QueueMail } from "../queue/words.ts";
import { answerOf, isKnown } from "./answer.ts";
import type {
  ExplainDesk,
  Explained,
  ExplainedEvent,
  ExplainedLedger,
  ExplainFacts,
  Match,
  TaskQuery,
} from "./words.ts";

/** Events of one mail: more than a person reads. */
const EVENTS_MAX = 500;

type Named = Pick<HistoryMail, "id" | "recipient">;

export interface ExplainParts {
  readonly ledger: Pick<Ledger, "look">;
  readonly history: HistoryReader;
  /** What this gateway's spool has. */
  readonly mailOf: (id: Id) => Promise<QueueMail | undefined>;
  readonly secret: string;
  /** See Policy. */
  readonly namespaceOf: (user: string | undefined) => string;
}

export function createExplainDesk(parts: ExplainParts): ExplainDesk {
  const { ledger, history, mailOf, secret, namespaceOf } = parts;

  async function look(id: Id): Promise<ExplainFacts["looked"]> {
    try {
      return await ledger.look(id);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      return { state: "unknown", fault: error.message };
    }
  }

  /** Nothing depends on it: what can't be read is left out. */
  async function eventsOf(id: Id): Promise<{ events: HistoryEvent[]; isCut: boolean }> {
    const events: HistoryEvent[] = [];
    let cursor: string | undefined;
    try {
      do {
        const page = await history.ofId(id, { limit: EVENTS_MAX, cursor });
        events.push(...page.items);
        cursor = page.next;
      } while (cursor !== undefined && events.length < EVENTS_MAX);
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
    return { events, isCut: cursor !== undefined };
  }

  async function factsOf(id: Id): Promise<{ facts: ExplainFacts; isCut: boolean }> {
    const [mail, looked, { events, isCut }] = await Promise.all([mailOf(id), look(id), eventsOf(id)]);
    return { facts: { mail, looked, events }, isCut };
  }

  /**
   * With a recipient, the one that is computed, and what the newest of the history has, each with another part. It is one page:
   * nobody waits for the whole history to find one mail that is known.
   */
  async function ofTask({ task, to, part, user }: TaskQuery, request: PageRequest): Promise<Page<Named>> {
    const canonical = orThrow("task", canonicalTask(task)).task;
    if (to === undefined) {
      if (part !== undefined || user !== undefined) throw new RangeError("part and user need to, too");
      return await history.ofTask(canonical, undefined, request);
    }
    const { recipient } = orThrow("to", canonicalRecipient(to));
    const parts = { task: canonical, recipient, part: orThrow("part", canonicalPart(part ?? "")).part };
    const id = deriveId({ secret, namespace: namespaceOf(user), ...parts });
    if (parts.part !== "") return { items: [{ id, recipient }] };
    const { items } = await history.ofTask(canonical, recipient, request);
    return { items: [{ id, recipient }, ...items] };
  }

  return {
    async explain(id, mask = (facts) => facts) {
      const { facts: known, isCut } = await factsOf(id);
      if (!isKnown(known)) return undefined;
      const facts = mask(known);
      const { looked, mail, events } = facts;
      const explained: Explained = {
        id,
        answer: answerOf(facts),
        ledger: ledgerOf(looked),
        ...(mail === undefined ? {} : { mail: said(mail) }),
        timeline: events.toReversed().map(explainedEvent).sort(byTime),
        ...(isCut ? { isCut: true as const } : {}),
      };
      return explained;
    },

    async find(query, request) {
      const { items, ...next } =
        "upstreamId" in query
          ? await history.ofUpstreamId(query.upstreamId, request)
          : await ofTask(query, request);
      const ids = new Map(items.map(({ id, recipient }) => [id, recipient]));
      const matches: Match[] = [];
      for (const [id, recipient] of ids) {
        const { facts } = await factsOf(id);
        if (!isKnown(facts)) continue;
        const to = recipient ?? facts.mail?.recipient;
        matches.push({ id, answer: answerOf(facts), ...(to === undefined ? {} : { recipient: to }) });
      }
      return { items: matches, ...next };
    },
  };
}

/** Without the empty texts of what is masked. */
const said = <T extends object>(known: T): T =>
  Object.fromEntries(Object.entries(known).filter(([, value]) => value !== "")) as T;

function explainedEvent(event: HistoryEvent): ExplainedEvent {
  const known = said(event);
  if (isTold(known)) {
    const { at, happenedAt = at, ...told } = known;
    return { at: timeOf(happenedAt), ...told, learnedAt: timeOf(at) };
  }
  const { at, ...rest } = known;
  if (rest.kind === "doubt") return { at: timeOf(at), ...rest, since: timeOf(rest.since) };
  if (rest.kind === "evidence" && rest.takenAt !== undefined) {
    return { at: timeOf(at), ...rest, takenAt: timeOf(rest.takenAt) };
  }
  return { at: timeOf(at), ...rest } as ExplainedEvent;
}

/** Upstreams tell in any order. What happened at the same time stays as it was noted. */
const byTime = (one: ExplainedEvent, other: ExplainedEvent): number =>
  Date.parse(one.at) - Date.parse(other.at);

const timeOf = (ms: number): string => new Date(ms).toISOString();

function ledgerOf(looked: ExplainFacts["looked"]): ExplainedLedger {
  const { state } = looked;
  if (state === "unknown") return { state, fault: looked.fault };
  if (state === "relayed") return { state, relayedAt: timeOf(looked.at) };
  if (state === "forgotten") {
    return { state, relayedAt: timeOf(looked.at), forgottenAt: timeOf(looked.forgottenAt) };
  }
  return { state, ...heldOf(looked) };
}

function heldOf(
  looked: Exclude<Looked, { readonly state: "relayed" | "forgotten" }>,
): Omit<ExplainedLedger, "state"> {
  if (looked.state === "absent") {
    const { left } = looked;
    if (left === undefined) return {};
    const { gateway, changedAt } = left;
    return { changedAt: timeOf(changedAt), ...(gateway === undefined ? {} : { gateway }) };
  }
  const { holder, gateway } = looked;
  return {
    ...("changedAt" in looked ? { changedAt: timeOf(looked.changedAt) } : {}),
    holder,
    ...(gateway === undefined ? {} : { gateway }),
  };
}

function orThrow<Result extends { readonly ok: boolean }>(name: string, result: Result) {
  if ("fault" in result) throw new RangeError(`${name} ${result.fault}`);
  return result as Extract<Result, { readonly ok: true }>;
}
