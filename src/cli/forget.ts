// `mailonce forget`: asks the gateway that runs on the data folder, or opens the folder when none does.
import type { Forgetting } from "../operator/forget.ts";
import { gatewayForget } from "../operator/http/forget-client.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { withDesk } from "./operate.ts";
import { type JsonOption, jsonLine, print } from "./print.ts";
import { reasonFaults } from "./reason.ts";

const loadStoppedForget = async () => (await import("../operator/offline.ts")).stoppedForget;

export interface ForgetOptions extends JsonOption {
  readonly yes?: boolean;
  readonly reason?: string;
  readonly config?: string;
}

export async function forget(name: string, options: ForgetOptions): Promise<number> {
  const { yes, reason, json } = options;
  const faults = reasonFaults(reason);
  if (faults.length > 0) return reportFaults(faults, exitCodes.badConfiguration);
  return await withDesk(options.config, gatewayForget, loadStoppedForget, async (desk) => {
    const made = await desk.forget(name, { reason, dryRun: yes !== true });
    if (!made.ok) return reportFaults([made.fault], codeOf(made));
    if (yes !== true) {
      const faults = [`nothing is changed without --yes: ${wouldBe(made)}`];
      return reportFaults(faults, exitCodes.badConfiguration);
    }
    const { ok: _, ...forgotten } = made;
    await print(json === true ? jsonLine(forgotten) : `${lineOf(made)}\n`);
    return exitCodes.ok;
  });
}

type Made = Extract<Forgetting, { ok: true }>;

const relayedAt = (made: Made): string =>
  made.relayedAt === undefined ? "relayed" : `relayed at ${made.relayedAt}`;

const wouldBe = (made: Made): string =>
  made.wasForgotten
    ? `${made.id}, ${relayedAt(made)}, is forgotten already`
    : `${made.id} was ${relayedAt(made)}; with --yes the next mail with this id is relayed again, be it the task that ` +
      "you want to send again or a late repeat of the queue";

const lineOf = (made: Made): string =>
  `${made.id}, ${relayedAt(made)}, is forgotten${made.wasForgotten ? " already" : ""}: its task may send again`;

const codeOf = ({ why }: Extract<Forgetting, { ok: false }>): number => {
  if (why === "unnamed") return exitCodes.badConfiguration;
  return why === "nothing" ? exitCodes.nothingMatched : exitCodes.failed;
};
