// The results as a table for the README, and as the page docs/evidence/lost-answers.md.
import type { KillsResult } from "./kills.ts";
import type { MailsOptions, MailsResult, Policy } from "./mails.ts";

const figure = (value: number): string => value.toLocaleString("en-US");

const COLUMNS = ["`[ledger] doubtful`", "events", "mails", "answers lost", "settled by an event"];
const RESULTS = [
  "mails that SES has twice or more",
  "of these, event came in time",
  "wait for a person",
  "lost",
];

export function tableOf(results: readonly MailsResult[]): string {
  const columns = [...COLUMNS, ...RESULTS];
  const rows = results.map((one) => {
    const numbers = [one.mails, one.lostAnswers, one.settled, one.several, one.severalInTime];
    const cells = [`\`${one.policy}\``, one.withEvents ? "read" : "not read"];
    return [...cells, ...[...numbers, one.held, one.lost].map(figure)];
  });
  const line = columns.map((_, at) => (at < 2 ? "---" : "---:"));
  return [columns, line, ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

export function killsTableOf({ kills, mails, settled, untaken, faults }: KillsResult): string {
  const rows = [...kills].map(([moment, times]) => `| ${moment} | ${times} |`);
  const sum = `${figure(mails)} mails, ${figure(settled)} settled by an event, ${untaken} that SES did not get`;
  return ["| killed | times |", "| --- | ---: |", ...rows, `${sum}, ${faults.length} faults`].join("\n");
}

/** What changes for who reads events. */
export function shortTableOf(results: readonly MailsResult[]): string {
  const of = (policy: Policy, withEvents: boolean): MailsResult => {
    const found = results.find((one) => one.policy === policy && one.withEvents === withEvents);
    if (found === undefined) throw new Error(`nothing was run under ${policy}`);
    return found;
  };
  const row = (policy: Policy, what: string, value: (result: MailsResult) => number): string => {
    const cells = [`\`${policy}\``, what, figure(value(of(policy, false))), figure(value(of(policy, true)))];
    return `| ${cells.join(" | ")} |`;
  };
  return [
    "| `[ledger] doubtful` | result | without events | with events |",
    "| --- | --- | ---: | ---: |",
    row("resend", "mails that SES has twice", ({ several }) => several),
    row("hold", "mails that wait for a person", ({ held }) => held),
  ].join("\n");
}

type PageOptions = Omit<MailsOptions, "policy" | "withEvents">;

export function pageOf(results: readonly MailsResult[], { mails, shares, wait, seed }: PageOptions): string {
  const lost = Math.round(mails * shares.lost);
  const [late, never, twice] = [shares.late, shares.never, shares.twice].map((share) =>
    Math.round(lost * share),
  );
  const percent = (share: number): string => `${Number((share * 100).toFixed(1))} %`;
  return `# Lost answers

${figure(mails)} mails through the built gateway to an SES that takes each of them and loses ${percent(shares.lost)} of its answers: of
${figure(lost)} first copies, and by chance of ${percent(shares.lost)} of the further ones. SES and AWS's queues are programs of the tests
on the same machine. SES's [events](../ses-events.md) go through a topic of SNS to a queue of SQS, a Send and a Delivery for
each mail. Which one arrives next is chance. Of the mails, with an answer and without,

- ${percent(shares.twice)} have their events twice,
- ${percent(shares.late)} have them late: after the wait of \`${wait}\` was over,
- ${percent(shares.never)} never have any.

So of ${figure(lost)} lost answers ${late} have a late event, ${never} none, and ${twice} each event twice.

    npm run lost-answers -- --seed ${seed}

${shortTableOf(results)}

In full:

${tableOf(results)}

The command ends with exit code 1, and says why, unless

- SES has every mail, and each further copy has a line \`transmission.doubtful\` before it;
- under \`resend\` SES has a mail twice only where its event came late or never, and nothing waits;
- under \`hold\` SES has no mail twice, and only those wait for a person whose answer was lost and whose event never came;
- no mail is settled twice, and \`mailonce_doubtful_resolved_total{by="evidence"}\` is the number of those that were settled;
- each mail is a repeat when all are submitted again, and nothing more is relayed;
- the queue is empty in the end, and the dead-letter queue too.

SES promises no time and no number for its events. The shares above are ours: they are no measurement of SES.
CI runs a small one ([\`test/lost-answers\`](../../test/lost-answers/lost-answers.test.ts)).
`;
}
