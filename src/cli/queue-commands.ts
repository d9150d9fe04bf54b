// The queue: `queue list`, `show`, and what is ordered about its mails.

import { CONFIG_OPTION, type Command, type Exit } from "./command.ts";
import { JSON_OPTION } from "./print.ts";
import type { ListOptions, ShowOptions } from "./queue.ts";
import type { OrderOptions } from "./queue-order.ts";

const FILTERS = [
  ["--to <address>", "the recipient"],
  ["--from <address>", 'the reverse-path; "<>" is the null one'],
  ["--domain <domain>", "the domain of the recipient"],
  ["--task <id>", "the task id"],
  ["--upstream <name>", "mail that may go by this upstream"],
  ["--user <name>", "who submitted it"],
  ["--state <state>", "due, waiting, underway, held or ended"],
  ["--older <duration>", "accepted so long ago, such as 1h"],
] as const;

const filtered = (command: Command): Command =>
  FILTERS.reduce((made, [flags, description]) => made.option(flags, description), command);

const NAMES = "ids, Message-IDs, or ids of submissions";

/** The name of each, what it does, and what it takes beside the others. */
const ORDERS = [
  {
    kind: "retry",
    does: "attempt mails now, under a pause too",
    options: [["--resend", "also what is in doubt: its reader may get a second copy"]],
  },
  { kind: "hold", does: "keep mails from being attempted, for as long as it takes", options: [] },
  { kind: "release", does: "end holds: the mails are due, and their lifetime begins anew", options: [] },
  { kind: "bounce", does: "refuse mails for good, which is reported to their senders", options: [] },
  {
    kind: "remove",
    does: "take mails out of the queue; nobody gets a report",
    options: [["--yes", "they are gone then"]],
  },
] as const;

export function queueCommands(mailonce: Command, exit: Exit): void {
  const queue = mailonce
    .command("queue")
    .description("the mail of this gateway that waits, with or without the gateway running");
  filtered(queue.command("list").description("what is in the queue"))
    .option("--limit <count>", "so many at most; 100 on a terminal unless given")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (options: ListOptions) => exit(await (await import("./queue.ts")).listQueue(options)));
  queue
    .command("show <id>")
    .description("all that is known of one mail, or its content")
    .option("--header", "print its header, as it leaves")
    .option("--body", "print its body")
    .option(...JSON_OPTION)
    .option(...CONFIG_OPTION)
    .action(async (name: string, options: ShowOptions) =>
      exit(await (await import("./queue.ts")).showQueued(name, options)),
    );
  for (const { kind, does, options } of ORDERS) {
    const command = filtered(
      queue.command(`${kind} [ids...]`).description(`${does}; by ${NAMES}, or filters`),
    )
      .option("--all", "more than one mail may be meant")
      .option("--limit <count>", "so many at most")
      .option("--reason <text>", kind === "bounce" ? "for the log and the report; needed" : "for the log");
    for (const [flags, description] of options) command.option(flags, description);
    command
      .option(...JSON_OPTION)
      .option(...CONFIG_OPTION)
      .action(async (names: string[], given: OrderOptions) =>
        exit(await (await import("./queue-order.ts")).orderQueued(kind, names, given)),
      );
  }
}
