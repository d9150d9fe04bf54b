// Which mails something has just happened to, for who watches them live. Collected while somebody watches only.
import type { Id } from "../identity/message-id.ts";
import type { History, HistoryNotes } from "./history.ts";

export interface Changes {
  /** Begins to collect, or ends it. */
  watch(isWatched: boolean): void;
  note(id: Id): void;
  /** The ids since the last call, the first of them; and whether there were more. */
  take(): { readonly ids: readonly Id[]; readonly isMore: boolean };
}

/** A page shows fewer; and what is above it, is a reason to read the list again. */
const IDS_MAX = 500;

export function createChanges(): Changes {
  let ids: Set<Id> | undefined;
  let isMore = false;
  return {
    watch(isWatched) {
      if (isWatched === (ids !== undefined)) return;
      ids = isWatched ? new Set() : undefined;
      isMore = false;
    },
    note(id) {
      if (ids === undefined || ids.has(id)) return;
      if (ids.size < IDS_MAX) ids.add(id);
      else isMore = true;
    },
    take() {
      const taken = { ids: [...(ids ?? [])], isMore };
      ids?.clear();
      isMore = false;
      return taken;
    },
  };
}

/** Takes note of all that happens. */
export const notesOf = ({ note }: Changes): HistoryNotes => ({
  accepted(_, recipients) {
    for (const { id } of recipients) note(id);
  },
  repeated: note,
  attempted: note,
  ended: note,
  decided: note,
  settled: note,
  told: note,
  doubted: note,
  copied: note,
  observed({ first, copy }) {
    note(copy);
    if (first !== undefined) note(first);
  },
});

/** A history of which others take note too, before it does. */
export const watchedHistory = (history: History, ...others: readonly HistoryNotes[]): History => ({
  ...history,
  accepted(mail, recipients) {
    for (const other of others) other.accepted(mail, recipients);
    history.accepted(mail, recipients);
  },
  repeated(id) {
    for (const other of others) other.repeated(id);
    history.repeated(id);
  },
  attempted(id, attempt) {
    for (const other of others) other.attempted(id, attempt);
    history.attempted(id, attempt);
  },
  ended(id, end) {
    for (const other of others) other.ended(id, end);
    history.ended(id, end);
  },
  decided(id, decided) {
    for (const other of others) other.decided(id, decided);
    history.decided(id, decided);
  },
  settled(id, settled) {
    for (const other of others) other.settled(id, settled);
    history.settled(id, settled);
  },
  told(id, told) {
    for (const other of others) other.told(id, told);
    history.told(id, told);
  },
  doubted(id, doubted) {
    for (const other of others) other.doubted(id, doubted);
    history.doubted(id, doubted);
  },
  copied(id, copy) {
    for (const other of others) other.copied(id, copy);
    history.copied(id, copy);
  },
  observed(observed) {
    for (const other of others) other.observed(observed);
    history.observed(observed);
  },
});
