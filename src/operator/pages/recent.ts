// The mails that were accepted last, each with what became of it in a word: a part of the overview.
import type { Became, RecentMail } from "../../history/recent.ts";
import { countOf } from "../../runtime/amounts.ts";
import type { Asker } from "../http/route.ts";
import { maskedAddress } from "../routes/masked.ts";
import { type Html, html } from "./html.ts";
import { age } from "./times.ts";

export function recentMails(mails: readonly RecentMail[], { role }: Asker, now: number): Html {
  if (mails.length === 0) return html``;
  return html`<h2>Newest mails</h2>
<p class="quiet">Those accepted last, since the start. Each leads to its story.</p>
<table>
<thead><tr><th scope="col">recipient</th><th scope="col">accepted</th><th scope="col">what became of it</th></tr></thead>
<tbody>
${mails.map(
  ({ id, at, recipient, became, repeats }) =>
    html`<tr><th scope="row" class="address"><a href="/mails/${id}" id="recent-${id}">${role === "visitor" ? maskedAddress(recipient) : recipient}</a></th>
<td class="short" data-title="accepted">${age(new Date(at).toISOString(), now)} ago</td>
<td data-title="what became of it">${wordOf(became)}${repeats === 0 ? "" : `; ${countOf(repeats)} ${repeats === 1 ? "repeat" : "repeats"} dropped`}</td></tr>
`,
)}
</tbody>
</table>`;
}

function wordOf(became: Became): string {
  switch (became.kind) {
    case "accepted":
      return "on its way";
    case "attempt":
      return OUTCOMES[became.outcome];
    case "ended":
      return ENDS[became.reason];
    case "decision":
      return DECISIONS[became.next ?? became.decision] ?? became.decision;
    case "evidence":
      return "relayed";
    case "fate":
      return FATES[became.fate];
  }
}

const FATES: Readonly<Record<Extract<Became, { kind: "fate" }>["fate"], string>> = {
  ...{ sent: "relayed", delivered: "delivered", delayed: "relayed, and not delivered yet" },
  ...{ bounced: "bounced", complained: "complained about", rejected: "rejected by the upstream" },
};

const OUTCOMES: Readonly<Record<Extract<Became, { kind: "attempt" }>["outcome"], string>> = {
  ...{ accepted: "relayed", refused: "refused for good", doubtful: "in doubt" },
  ...{ later: "not taken yet", down: "not taken yet: the upstream is away" },
};

const ENDS: Readonly<Record<Extract<Became, { kind: "ended" }>["reason"], string>> = {
  ...{ expired: "given up", lost: "content lost", dropped: "counted as relayed" },
};

/** By what became of it, or by the decision: the words of the log. */
const DECISIONS: Readonly<Record<string, string>> = {
  ...{ retried: "due now", held: "held by an operator", released: "due now" },
  ...{ bounced: "refused by an operator", removed: "removed by an operator" },
  ...{ relayed: "counted as relayed", queued: "due now", forgotten: "forgotten: its task may send it" },
};
