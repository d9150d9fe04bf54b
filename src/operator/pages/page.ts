// What a page is: a path, who may see it, and what it shows.
import type { Answer, Asked, Route } from "../http/route.ts";
import type { OperatorParts } from "../routes/parts.ts";
import type { Status } from "../status/schema.ts";
import type { Frame } from "./frame.ts";
import type { Html } from "./html.ts";

/** What a page is made from. */
export interface Seen {
  readonly asked: Asked;
  readonly parts: OperatorParts;
  /** As who asks may see it. */
  readonly status: Status;
  readonly now: number;
}

/** A page: its frame, and what is in it; or an answer of another kind. */
export type Shown = { readonly frame: Frame; readonly content: Html; readonly search?: string } | Answer;

export interface Page {
  readonly method?: Route["method"];
  readonly path: string;
  readonly needs: Route["needs"];
  /** Nothing of what is asked changes what it shows: it is made once for each status and who may see it. */
  readonly isOfStatus?: true;
  show(seen: Seen): Shown | Promise<Shown>;
}
