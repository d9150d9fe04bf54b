// What an operator can do about a mail as it is now: which orders there are, what each says that it does, and its form.
import type { Explained } from "../explain/words.ts";
import { sayDecision } from "./doubt-words.ts";
import { type Html, html } from "./html.ts";
import { allOf, isInDoubt } from "./timeline.ts";

/** Also the last part of the path of each. */
export const MAIL_ORDERS = [
  ...(["retry", "hold", "release", "bounce", "remove"] as const),
  ...(["relayed", "not-relayed", "forget"] as const),
] as const;
export type MailOrder = (typeof MAIL_ORDERS)[number];

/** Those that fit, what is meant most often first. */
export function ordersFor(explained: Explained): readonly MailOrder[] {
  const { ledger, mail } = explained;
  if (ledger.holder === "elsewhere") return [];
  if (mail === undefined) {
    if (ledger.state === "relayed") return ["forget"];
    return ledger.state === "remembered" ? ["relayed", "not-relayed"] : [];
  }
  if (mail.state === "underway" || mail.state === "ended") return [];
  if (isInDoubt(explained)) {
    // Its client waits for the verdict.
    if (mail.awaited === true) return ["relayed", "not-relayed"];
    if (mail.state !== "held") return ["relayed", "not-relayed", "hold", "remove"];
    const release = mail.hold === "operator" ? (["release"] as const) : [];
    return ["relayed", "not-relayed", ...release, "remove"];
  }
  if (mail.awaited === true) return ["retry"];
  return [mail.state === "held" ? "release" : "retry", ...HOLD[mail.state ?? "due"], "bounce", "remove"];
}

const HOLD = { due: ["hold"], waiting: ["hold"], held: [] } as const;

interface Words {
  readonly button: string;
  readonly does: string;
  /** Asked before it is done: why, and whether one is sure. */
  readonly asks?: { readonly reason?: true; readonly yes?: string };
}

const WORDS: Readonly<Record<Exclude<MailOrder, "relayed" | "not-relayed">, Words>> = {
  retry: { button: "Retry now", does: "It is attempted as soon as its upstream takes mail." },
  hold: {
    button: "Hold",
    does: "It is not attempted until somebody releases it. Its lifetime does not pass meanwhile.",
  },
  release: { button: "Release", does: "It is due now, and its lifetime begins anew." },
  bounce: {
    button: "Bounce",
    does: "It is refused for good. Its sender gets a report with the reason.",
    asks: { reason: true },
  },
  remove: {
    button: "Remove",
    does: "It leaves the queue for good. Nobody gets a report; its task may submit it again.",
    asks: { yes: "I am sure: nobody gets this mail, nor a report" },
  },
  forget: {
    button: "Forget",
    does: "The next mail with this id is relayed once more: its task may send it again.",
    asks: { reason: true, yes: "I am sure: its reader may get it twice" },
  },
};

function wordsOf(order: MailOrder, explained: Explained): Words {
  if (order !== "relayed" && order !== "not-relayed") return WORDS[order];
  const standing = explained.mail === undefined ? "remembered" : "held";
  const isListening = explained.mail?.listensUntil !== undefined;
  return sayDecision(order, standing, silentIn(explained), isListening);
}

/** Which upstream gave no answer. */
const silentIn = (explained: Explained): string | undefined =>
  allOf(explained, "attempt").findLast(({ outcome }) => outcome === "doubtful")?.upstream ??
  explained.mail?.lastUpstream;

export function orderForms(explained: Explained): Html {
  return html`<div class="choices">
${ordersFor(explained).map((order) => formOfOrder(order, explained))}
</div>`;
}

/** What is meant as a rule. Of a doubt no page knows which decision is right. */
const USUAL: readonly MailOrder[] = ["retry", "release"];

function formOfOrder(order: MailOrder, explained: Explained): Html {
  const action = `/mails/${explained.id}/${order}`;
  const { button, does, asks } = wordsOf(order, explained);
  const what = html`<span class="quiet">${does}</span>`;
  if (asks === undefined) {
    return html`<form method="post" action="${action}"><button id="order-${order}"${USUAL.includes(order) ? html` class="main"` : ""}>${button}</button> ${what}</form>
`;
  }
  return html`<details id="order-${order}"><summary>${button}: ${what}</summary>
<form method="post" action="${action}">
${asks.reason === undefined ? "" : html`<label>Reason <input name="reason" maxlength="500" required></label>`}
${asks.yes === undefined ? "" : html`<label><input type="checkbox" name="yes" value="yes" required> ${asks.yes}</label>`}
<button class="danger" id="send-${order}">${button}</button></form></details>
`;
}
