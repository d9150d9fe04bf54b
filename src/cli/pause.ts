// `mailonce pause` and `resume`: asks the gateway that runs on the data folder, or notes it in the folder's spool when none
// does; the next start finds it.
import type { Config } from "../config/config.ts";
import { duration } from "../config/values.ts";
import { NoGatewayError } from "../operator/http/client.ts";
import { gatewayPausing } from "../operator/http/pausing-client.ts";
import type { PausedUpstream, PausingDesk, ResumedUpstream } from "../operator/pausing.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { operate } from "./operate.ts";
import { type JsonOption, jsonLine, print } from "./print.ts";
import { reasonFaults } from "./reason.ts";

export interface ResumeOptions extends JsonOption {
  readonly reason?: string;
  readonly config?: string;
}

export interface PauseOptions extends ResumeOptions {
  /** A duration, as the configuration writes them. */
  readonly for?: string;
}

export async function pauseUpstream(name: string | undefined, options: PauseOptions): Promise<number> {
  const { for: length, reason } = options;
  const parsed = length === undefined ? undefined : duration.safeParse(length);
  const faults = [
    ...(parsed?.success === false ? [`--for: ${parsed.error.issues[0]?.message ?? "is no duration"}`] : []),
    ...reasonFaults(reason),
  ];
  if (faults.length > 0) return reportFaults(faults, exitCodes.badConfiguration);
  return await operate(options.config, async (config) => {
    const made = await gatewayOr(
      config,
      () => gatewayPausing(config.data_dir).pause(name, length, reason),
      (desk) => desk.pause(name, { forMs: parsed?.data, reason }),
    );
    return await report(name, made, options, ({ name, since, until, wasPaused }: PausedUpstream) => {
      const again = wasPaused ? ` again, since ${since}` : "";
      return `${name} is paused${again}${until === undefined ? "" : `, until ${until}`}`;
    });
  });
}

const WHAT_WAS: Readonly<Record<ResumedUpstream["was"], string>> = {
  paused: "is resumed",
  failing: "is tried at once: it took nothing",
  running: "is not paused",
};

export async function resumeUpstream(name: string | undefined, options: ResumeOptions): Promise<number> {
  const { reason } = options;
  const faults = reasonFaults(reason);
  if (faults.length > 0) return reportFaults(faults, exitCodes.badConfiguration);
  return await operate(options.config, async (config) => {
    const made = await gatewayOr(
      config,
      () => gatewayPausing(config.data_dir).resume(name, { reason }),
      (desk) => desk.resume(name, { reason }),
    );
    return await report(name, made, options, ({ name, was }: ResumedUpstream) => `${name} ${WHAT_WAS[was]}`);
  });
}

async function gatewayOr<T>(
  config: Config,
  ask: () => Promise<T>,
  decide: (desk: PausingDesk) => Promise<T>,
): Promise<T> {
  try {
    return await ask();
  } catch (error) {
    if (!(error instanceof NoGatewayError)) throw error;
  }
  const [{ openOfflinePausing }, { stoppedWorld }] = await Promise.all([
    import("../operator/offline-pausing.ts"),
    import("./stopped-world.ts"),
  ]);
  const { desk, close } = await openOfflinePausing(config, await stoppedWorld(config));
  try {
    return await decide(desk);
  } finally {
    await close();
  }
}

async function report<Upstream>(
  name: string | undefined,
  made: { ok: true; upstreams: readonly Upstream[] } | { ok: false; names: readonly string[] },
  { json }: JsonOption,
  lineOf: (upstream: Upstream) => string,
): Promise<number> {
  if (!made.ok) {
    const fault = `there is no upstream ${name}; there are ${made.names.join(", ")}`;
    return reportFaults([fault], exitCodes.nothingMatched);
  }
  const lines = made.upstreams.map((upstream) =>
    json === true ? jsonLine(upstream) : `${lineOf(upstream)}\n`,
  );
  await print(lines.join(""));
  return exitCodes.ok;
}
