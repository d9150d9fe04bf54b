// What a view of the queue shows, as its URL says it. Its forms have the same fields, so that one comes back to it.
import { z } from "zod";
import { NAME_MAX } from "../routes/body.ts";
import { type Html, html } from "./html.ts";

const field = z.string().max(NAME_MAX).optional();

/** As they are written: each page looks at their meaning. */
export const viewShape = {
  state: field,
  upstream: field,
  task: field,
  to: field,
  older: field,
  cursor: field,
};

const NAMES = Object.keys(viewShape) as (keyof typeof viewShape)[];

export type View = { readonly [Name in keyof typeof viewShape]?: string | undefined };

/** @param more other parameters */
export function hrefOf(view: View, more: Readonly<Record<string, string | number>> = {}): string {
  const query = new URLSearchParams();
  for (const name of NAMES) if (view[name] !== undefined) query.set(name, view[name]);
  for (const [name, value] of Object.entries(more)) query.set(name, String(value));
  return query.size === 0 ? "/queue" : `/queue?${query}`;
}

export const viewFields = (view: View): Html =>
  html`${NAMES.map((name) =>
    view[name] === undefined ? "" : html`<input type="hidden" name="${name}" value="${view[name]}">`,
  )}`;
