// The facts of a notification about one recipient, flat.
import type { NoticeFacts, NoticeRecipient } from "../../src/message/dsn.ts";

export type FlatNotice = Omit<NoticeFacts, "recipients" | "date"> & NoticeRecipient;

export function factsOf(flat: FlatNotice): NoticeFacts {
  const { recipient, orcpt, reason, diagnostic, lastAttemptAt, willRetryUntil, ...facts } = flat;
  return {
    ...facts,
    date: lastAttemptAt,
    recipients: [{ recipient, orcpt, reason, diagnostic, lastAttemptAt, willRetryUntil }],
  };
}
