// What became of a mail after an upstream took it, as far as the history keeps it.

/** Texts are one printable line each. */
export type MailFate =
  /** The upstream took it. */
  | { readonly kind: "sent" }
  | { readonly kind: "delivered"; readonly reply?: string | undefined }
  | {
      readonly kind: "delayed";
      readonly delayType?: string | undefined;
      readonly diagnostic?: string | undefined;
    }
  | {
      readonly kind: "bounced";
      readonly bounceType?: string | undefined;
      readonly bounceSubType?: string | undefined;
      readonly status?: string | undefined;
      readonly diagnostic?: string | undefined;
    }
  | {
      readonly kind: "complained";
      readonly feedbackType?: string | undefined;
      readonly subType?: string | undefined;
    }
  /** Taken, and not sent on. */
  | { readonly kind: "rejected"; readonly reason?: string | undefined };

const KINDS: ReadonlySet<string> = new Set<MailFate["kind"]>([
  ...(["sent", "delivered", "delayed", "bounced", "complained", "rejected"] as const),
]);

export const isFate = (kind: string): kind is MailFate["kind"] => KINDS.has(kind);

/** Of a mailbox that is full or a host that is away, or an automatic reply after a delivery: SES tells these apart no further. */
export const isSoftBounce = (fate: {
  readonly kind: string;
  readonly bounceType?: string | undefined;
}): boolean =>
  fate.kind === "bounced" && (fate.bounceType === "Transient" || fate.bounceType === "Undetermined");
