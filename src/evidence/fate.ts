// What becomes of a mail after an upstream took it, as the upstream says later.
import type { MailFate } from "../history/fate.ts";

/** Texts are one printable line each. */
export type Fate =
  | MailFate
  /** Opens, clicks, and what an upstream may add: proof that it took the mail, and nothing more. */
  | { readonly kind: "other" };
