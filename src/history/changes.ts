// Which mails something has just happened to, for who watches them live. Collected while somebody watches only.
import type { Id } from "../identity/message-id.ts";
import type { History } from "./history.ts";

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

/** A history that tells of what it takes note of. */
export const watchedHistory = (history: History, { note }: Changes): History => ({
  ...history,
  accepted(mail, recipients) {
    for (const { id } of recipients) note(id);
    history.accepted(mail, recipients);
  },
  repeated(id) {
    note(id);
    history.repeated(id);
  },
  attempted(id, attempt) {
    note(id);
    history.attempted(id, attempt);
  },
  ended(id, end) {
    note(id);
    history.ended(id, end);
  },
  decided(id, decided) {
    note(id);
    history.decided(id, decided);
  },
});
