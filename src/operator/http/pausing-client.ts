// How `mailonce pause` and `resume` ask the gateway that runs.
import type { Pausing, PausingDesk, Resuming } from "../pausing.ts";
import { askGateway, detailOf, GatewayError } from "./client.ts";

export interface GatewayPausing {
  /** @param duration as the configuration writes it */
  pause(
    upstream: string | undefined,
    duration: string | undefined,
    reason: string | undefined,
  ): Promise<Pausing>;
  resume: PausingDesk["resume"];
}

/** Each call rejects as askGateway does. */
export function gatewayPausing(dataDir: string): GatewayPausing {
  const ask = async (path: string, order: object): Promise<unknown> => {
    const reply = await askGateway(dataDir, "POST", path, order);
    if (reply.status === 200) return { ok: true, ...(reply.body as object) };
    const { names } = reply.body as { names?: readonly string[] };
    if (names === undefined) throw new GatewayError(detailOf(reply));
    return { ok: false, names };
  };
  return {
    pause: async (upstream, duration, reason) =>
      (await ask("/api/v1/pause", { upstream, for: duration, reason })) as Pausing,
    resume: async (upstream, { reason }) => (await ask("/api/v1/resume", { upstream, reason })) as Resuming,
  };
}
