// What becomes of a mail after an upstream took it, as the upstream says later.

/** Texts are one printable line each. */
export type Fate =
  /** The upstream took it. */
  | { readonly kind: "sent" }
  | { readonly kind: "delivered"; readonly reply?: string }
  | { readonly kind: "delayed"; readonly delayType?: string; readonly diagnostic?: string }
  | {
      readonly kind: "bounced";
      readonly bounceType?: string;
      readonly bounceSubType?: string;
      readonly status?: string;
      readonly diagnostic?: string;
    }
  | { readonly kind: "complained"; readonly feedbackType?: string; readonly subType?: string }
  /** Taken, and not sent on. */
  | { readonly kind: "rejected"; readonly reason?: string }
  /** Opens, clicks, and what an upstream may add: proof that it took the mail, and nothing more. */
  | { readonly kind: "other" };
