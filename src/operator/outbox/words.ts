// What the outbox shows: the mails that a Maildir upstream has taken.
import type { Readable } from "node:stream";

export interface OutboxDesk {
  /** A Maildir upstream each; at least one. */
  readonly boxes: readonly Outbox[];
  /** All mail goes into the one. */
  readonly isOnly: boolean;
}

export interface Outbox {
  /** Of the upstream. */
  readonly name: string;
  /** Meant where none is named. */
  readonly isFirst: boolean;
  /** Of the Maildir. */
  readonly path: string;
  /** Newest first. @param from how many are left out */
  list(from: number, limit: number): Promise<OutboxList>;
  /** Whether a mail of this name is there. */
  has(name: string): Promise<boolean>;
  show(name: string): Promise<Looked<ShownMail>>;
  /** The octets of an attachment. @param at its place among the attachments, from 0 on */
  attachment(name: string, at: number): Promise<Looked<Readable>>;
  /** The octets of the mail. */
  source(name: string): Promise<Looked<Readable>>;
}

/** absent: there is no such mail, or none any more. busy: as many are being read as may be. */
export type Looked<T> =
  | { readonly ok: true; readonly value: T }
  | { readonly ok: false; readonly why: "absent" | "busy" };

export interface OutboxList {
  /** Why nothing of the Maildir is read. */
  readonly fault?: string | undefined;
  /** As many mails as were found. */
  readonly total: number;
  /** There are more names than were looked at, and newer mails may be among them. */
  readonly isMore: boolean;
  readonly mails: readonly MailSummary[];
}

/** Texts of strangers, each one printable line. */
export interface MailSummary {
  /** Of the file, without flags. */
  readonly name: string;
  readonly size: number;
  /** When it was relayed, as RFC 3339 writes it. */
  readonly relayedAt: string;
  readonly subject?: string | undefined;
  readonly from?: string | undefined;
  /** Who got it; where the file does not say so, who it is addressed to. */
  readonly to?: string | undefined;
  /** Of the gateway, where it is its own mail. */
  readonly id?: string | undefined;
}

export interface ShownMail extends MailSummary {
  /** The fields that people read, in their order, as they are named. */
  readonly fields: readonly (readonly [name: string, value: string])[];
  readonly text?: string | undefined;
  readonly html?: string | undefined;
  readonly attachments: readonly ShownAttachment[];
  /** cut: it is larger than what is read of it. undecoded: decoding it would take too long, or is not possible. */
  readonly state: "whole" | "cut" | "undecoded";
  /** The beginning, as it is. */
  readonly source: string;
}

export interface ShownAttachment {
  readonly fileName?: string | undefined;
  readonly type: string;
  /** Octets; of a mail that is cut at least so many. */
  readonly size: number;
}
