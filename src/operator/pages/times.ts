// Times on a page: how long ago, with the time itself where one points.
import { durationOf } from "../../runtime/amounts.ts";
import { type Html, html } from "./html.ts";

/** "18 min 4 s". @param time as RFC 3339 writes it @param now milliseconds since the epoch */
export const age = (time: string, now: number): Html =>
  html`<time datetime="${time}" title="${time}">${durationOf(now - Date.parse(time))}</time>`;

/** "in 4 s", or "now". */
export const until = (time: string, now: number): Html => {
  const left = Date.parse(time) - now;
  return html`<time datetime="${time}" title="${time}">${left < 1_000 ? "now" : `in ${durationOf(left)}`}</time>`;
};

/** "2013-12-10 10:13:06 UTC". */
export const moment = (time: string): Html =>
  html`<time datetime="${time}">${time.slice(0, 10)} ${time.slice(11, 19)} UTC</time>`;
