// Puts the history together. It never keeps a gateway from starting.

import type { Id } from "../identity/message-id.ts";
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { shortText } from "../runtime/short-text.ts";
import type { Storage } from "../storage/storage.ts";
import { createCopies } from "./copies.ts";
import { type History, type HistoryEvent, noHistory } from "./history.ts";
import { createObservations, createPrevented } from "./prevented.ts";
import { createReading } from "./reading.ts";
import { createShelf, isHistoryThere, removeHistory } from "./shelf.ts";
import { createSweeping } from "./sweeping.ts";
import { createWriting } from "./writing.ts";

export interface HistoryParts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly log: Log;
}

export interface HistoryOptions {
  /** Milliseconds; 0 keeps none, and removes what is there. */
  readonly retentionMs: number;
  /** Keep addresses of senders and recipients. */
  readonly addresses: boolean;
  /** An upstream may say later what became of mails. */
  readonly hasEvents?: boolean;
  /** The gateway drops nothing, and says what it would have done. */
  readonly observes?: boolean;
  /** Whether a gateway has run on this data folder before: that there is no history is worth a word then. */
  readonly wasRunBefore: () => Promise<boolean>;
}

/** Octets of a reply, a cause or a reason. */
const TEXT_MAX = 200;

const ADDRESS = /[^\s<>]*@[^\s<>]*/g;

/** Never rejects. */
export async function openHistory(parts: HistoryParts, options: HistoryOptions): Promise<History> {
  const { storage, clock, log } = parts;
  const { retentionMs, addresses, hasEvents = false, observes = false, wasRunBefore } = options;
  if (retentionMs === 0) {
    await removeHistory(storage).catch((error: unknown) => {
      log.warn("history.unavailable", { error: String(error) });
    });
    return noHistory;
  }
  const shelf = createShelf(storage, log);
  const [prevented, observations] = [createPrevented(clock), createObservations(clock, observes)];
  const writing = createWriting({ shelf, prevented, observations, clock, log });
  const sweeping = createSweeping({ shelf, writing, clock, retentionMs });
  try {
    if (!(await isHistoryThere(storage)) && (await wasRunBefore())) {
      log.warn("history.made_anew", { error: "it is not there" });
    }
    const store = await shelf.store();
    for (const counts of [prevented, observations]) counts.load(await store.get(counts.key));
  } catch (error) {
    await writing.failed(error);
  }
  sweeping.start();
  const reading = createReading(shelf, writing);
  const copies = createCopies();
  const note = (id: Id, event: HistoryEvent): void => {
    if (hasEvents) copies.note(id, event);
    writing.note(id, event);
  };
  const short = (text: string | undefined) => (text === undefined ? undefined : shortText(text, TEXT_MAX));

  /** Other mail servers write addresses into their replies. */
  const shown = (text: string | undefined) =>
    addresses || text === undefined ? short(text) : short(text)?.replace(ADDRESS, "…");

  return {
    ...reading,
    known: async (id, copy) => copies.of(id, copy) ?? (await reading.known(id)),
    prevented() {
      const facts = prevented.facts();
      return facts && { since: facts.since, months: facts.counts };
    },
    observations: observations.facts,

    accepted({ submission, task, client, user, reversePath }, recipients) {
      const at = clock.now();
      const from = addresses ? reversePath : undefined;
      for (const { id, recipient } of recipients) {
        const to = addresses ? recipient : undefined;
        const mail = { submission, task, client, user, reversePath: from, recipient: to };
        note(id, { kind: "accepted", at, ...mail });
      }
    },
    repeated: writing.repeated,
    attempted(id, { upstream, outcome, reply, upstreamId }) {
      const said = { upstream, outcome, reply: short(reply), upstreamId };
      note(id, { kind: "attempt", at: clock.now(), ...said });
    },
    ended(id, { reason, cause }) {
      note(id, { kind: "ended", at: clock.now(), reason, cause: shortText(cause, TEXT_MAX) });
    },
    decided(id, { decision, reason, next }) {
      note(id, { kind: "decision", at: clock.now(), decision, reason: short(reason), next });
    },
    settled(id, { source, upstreamId, takenAt }) {
      const said = { source: shortText(source, TEXT_MAX), upstreamId, takenAt };
      note(id, { kind: "evidence", at: clock.now(), ...said });
    },

    told(id, { kind, source, upstreamId, happenedAt, ...said }) {
      const from = { source: shortText(source, TEXT_MAX), upstreamId, happenedAt };
      const texts = Object.entries(said).map(([name, text]) => [name, shown(text)]);
      note(id, { kind, at: clock.now(), ...from, ...Object.fromEntries(texts) });
    },
    doubted(id, { cause, since }) {
      note(id, { kind: "doubt", at: clock.now(), cause: shortText(cause, TEXT_MAX), since });
    },
    copied(id, { upstreamId, cause }) {
      note(id, { kind: "second_copy", at: clock.now(), upstreamId, cause: shortText(cause, TEXT_MAX) });
    },
    observed({ would, first, copy }) {
      observations.add(would);
      const at = clock.now();
      note(copy, { kind: "observed", at, would, first });
      if (first !== undefined) note(first, { kind: "observed", at, would, copy });
    },
    written: writing.written,

    async close() {
      await sweeping.stop();
      await writing.flush();
      await shelf.close().catch((error: unknown) => writing.failed(error));
    },
  };
}
