// `mailonce doubtful list` and `resolve`: asks the gateway that runs on the data folder, or opens the folder
// when none does.
import { REASON_MAX } from "../operator/doubtful.ts";
import { gatewayDesk } from "../operator/http/client.ts";
import { stoppedDoubtful } from "../operator/offline.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { withDesk } from "./operate.ts";

export interface ResolveOptions {
  readonly relayed?: boolean;
  readonly notRelayed?: boolean;
  readonly reason?: string;
  readonly config?: string;
}

export function listDoubtful({ config }: { config?: string }): Promise<number> {
  return withDesk(config, gatewayDesk, stoppedDoubtful, async (desk) => {
    const lines = (await desk.list()).map((entry) => `${JSON.stringify(entry)}\n`);
    process.stdout.write(lines.join(""));
    return exitCodes.ok;
  });
}

const WHAT_NEXT = {
  relayed: "counts as relayed",
  queued: "is queued to be relayed",
  forgotten: "is forgotten: its task may submit it again",
} as const;

export async function resolveDoubtful(id: string, options: ResolveOptions): Promise<number> {
  const { relayed, notRelayed, reason, config } = options;
  if ((relayed === true) === (notRelayed === true)) {
    return reportFaults(["say either --relayed or --not-relayed"], exitCodes.badConfiguration);
  }
  if (reason !== undefined && reason.length > REASON_MAX) {
    return reportFaults([`--reason: at most ${REASON_MAX} characters`], exitCodes.badConfiguration);
  }
  const decision = relayed === true ? "relayed" : "not-relayed";
  return await withDesk(config, gatewayDesk, stoppedDoubtful, async (desk) => {
    const resolution = await desk.resolve(id, decision, reason);
    if (!resolution.ok) return reportFaults([resolution.fault], exitCodes.failed);
    process.stdout.write(`${resolution.id} ${WHAT_NEXT[resolution.next]}\n`);
    return exitCodes.ok;
  });
}
