// A gateway under test with its folder and its upstream, for one test; everything goes with the test.
import { cpSync } from "node:fs";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { makeFolder, type Settings } from "../support/process.ts";
import { createScriptedSmtp, type ScriptedSmtp } from "../support/scripted-smtp.ts";
import { connectSmtp, taskMail } from "../support/smtp-client.ts";
import { type Build, startTested, type TestedGateway } from "./gateway-process.ts";
import type { Plan } from "./plan.ts";

export interface Place {
  /** Holds the data folders. */
  readonly folder: string;
  readonly dataFolder: string;
  readonly upstream: ScriptedSmtp;
  /** Resolves when it listens or has ended. */
  start(plan?: Plan, settings?: Settings): Promise<TestedGateway>;
  /** A copy of the data folder, to be damaged. */
  copy(name: string): string;
}

export async function createPlace(build: Build, at?: string): Promise<Place> {
  const made = makeFolder();
  const folder = at ?? made.path;
  const dataFolder = join(folder, "data");
  const upstream = await createScriptedSmtp();
  const running: TestedGateway[] = [];
  onTestFinished(async () => {
    for (const gateway of running) gateway.signal("SIGKILL");
    await Promise.all(running.map(({ exited }) => exited));
    await upstream.close();
    made.remove();
  });
  return {
    folder,
    dataFolder,
    upstream,
    async start(plan = {}, settings = {}) {
      const gateway = await startTested({
        build,
        plan,
        settings: {
          DATA_DIR: dataFolder,
          SPOOL_RETRY_MIN: "20ms",
          SPOOL_RETRY_MAX: "100ms",
          UPSTREAM_KIND: "smtp",
          UPSTREAM_SMTP_HOST: "127.0.0.1",
          UPSTREAM_SMTP_PORT: upstream.port,
          UPSTREAM_SMTP_TLS: "none",
          LOG_ADDRESSES: "true",
          ...settings,
        },
      });
      running.push(gateway);
      return gateway;
    },
    copy(name) {
      const to = join(folder, name);
      cpSync(dataFolder, to, { recursive: true });
      return to;
    },
  };
}

/** The same task and recipient each time for the same number; the replies in their order. */
export async function submitNumbered(
  { port }: TestedGateway,
  numbers: readonly number[],
  body = "Hello.\r\n",
): Promise<string[]> {
  const client = await connectSmtp(port as number);
  const replies: string[] = [];
  for (const number of numbers) {
    const content = taskMail(`task-${number}`, { body });
    replies.push(await client.submit({ to: [`u${number}@example.com`], content }));
  }
  await client.quit();
  return replies;
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, n) => n);

export async function stopTested(gateway: TestedGateway): Promise<number | string> {
  gateway.signal("SIGTERM");
  return await gateway.exited;
}
