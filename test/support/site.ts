// One gateway with a data folder and a scripted upstream, which a test may start again on the same folder.
import { type Place, smtpAt } from "./place.ts";
import type { GatewayProcess, Settings } from "./process.ts";
import type { ScriptedSmtp, ScriptedSmtpOptions } from "./scripted-smtp.ts";

export interface Site {
  readonly gateway: GatewayProcess;
  readonly upstream: ScriptedSmtp;
  readonly settings: Settings;
  readonly data: string;
  /** The gateway is another process now. */
  restart(): Promise<void>;
}

/** What is in doubt is held, and the log has addresses. */
export async function openSite(place: Place, peer: ScriptedSmtpOptions, more: Settings = {}): Promise<Site> {
  const upstream = await place.smtp(peer);
  const settings = {
    ...{ DATA_DIR: place.data, LEDGER_DOUBTFUL: "hold", LOG_ADDRESSES: "true", LOG_FORMAT: "json" },
    ...{ ...smtpAt(upstream.port), ...more },
  };
  let gateway = await place.start(settings);
  return {
    get gateway() {
      return gateway;
    },
    ...{ upstream, settings, data: place.data },
    async restart() {
      gateway = await place.start(settings);
    },
  };
}
