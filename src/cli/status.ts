// `mailonce status`: the state of the gateway that runs on the data folder, on one screen.
import { askGateway, detailOf, GatewayError } from "../operator/http/client.ts";
import type { Status } from "../operator/status/schema.ts";
import { exitCodes } from "./exit.ts";
import { operate } from "./operate.ts";
import { type JsonOption, jsonLine, print } from "./print.ts";
import { statusScreen } from "./status-screen.ts";

export interface StatusOptions extends JsonOption {
  readonly config?: string;
}

/** Rejects as askGateway does. */
export async function askStatus(dataDir: string): Promise<Status> {
  const reply = await askGateway(dataDir, "GET", "/api/v1/status");
  if (reply.status !== 200) throw new GatewayError(detailOf(reply));
  return reply.body as Status;
}

/** Of a stream that is no terminal. */
const COLUMNS = 120;

export const showStatus = ({ config: file, json }: StatusOptions): Promise<number> =>
  operate(file, async ({ data_dir }) => {
    const status = await askStatus(data_dir);
    const columns = process.stdout.columns || COLUMNS;
    await print(json === true ? jsonLine(status) : statusScreen(status, Date.now(), columns));
    return status.degraded ? exitCodes.degraded : exitCodes.ok;
  });
