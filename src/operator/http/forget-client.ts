// How `mailonce forget` asks the gateway that runs.
import type { ForgetDesk, Forgetting, WhyNot } from "../forget.ts";
import { askGateway, detailOf, GatewayError } from "./client.ts";

/** Rejects as askGateway does. */
export const gatewayForget = (dataDir: string): ForgetDesk => ({
  async forget(name, { reason, dryRun }) {
    const reply = await askGateway(dataDir, "POST", "/api/v1/forget", { id: name, reason, dryRun });
    if (reply.status === 200) return { ok: true, ...(reply.body as object) } as Forgetting;
    const { why } = reply.body as { why?: WhyNot };
    if (why === undefined) throw new GatewayError(detailOf(reply));
    return { ok: false, why, fault: detailOf(reply) };
  },
});
