// Debian's Postfix as one of the relays. It syncs each queue file before it says 250; nothing turns that off.
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { findProgram, type PostfixOptions, startPostfix } from "../../test/support/peers.ts";
import { atExit } from "./at-exit.ts";
import { createCpuGroup } from "./cpu-group.ts";
import type { Contestant, Relay } from "./relay.ts";
import { startSink } from "./sink.ts";

/**
 * Room for the load. With 20 connections it is as fast with its defaults, without the brake on what it accepts
 * (in_flow_delay) and with connections to the sink always cached; with 1,000, as many processes make it slower.
 */
const SETTINGS = {
  default_process_limit: "200",
  initial_destination_concurrency: "20",
  smtp_destination_concurrency_limit: "50",
  smtpd_client_connection_count_limit: "0",
  smtpd_peername_lookup: "no",
};

export const postfix: Contestant = {
  name: "Postfix",
  setUp:
    "syncs each queue file, as always; room for 200 processes of a kind and 50 connections to the sink, no look-ups of " +
    "client names.",
  version: () =>
    findProgram("postfix") === undefined
      ? undefined
      : execFileSync("postconf", ["-h", "mail_version"], { encoding: "utf8" }).trim(),
  start: (folder) => startPostfixRelay(folder),
};

/** @param folder for its queue, not there yet */
export async function startPostfixRelay(
  folder: string,
  options: Pick<PostfixOptions, "tls" | "auth"> = {},
): Promise<Relay> {
  mkdirSync(folder, { recursive: true });
  // Postfix' own users have to get into what mkdtemp made for us alone.
  chmodSync(dirname(folder), 0o755);
  const sink = await startSink(folder);
  const server = await startPostfix(folder, { ...options, relayPort: sink.port, settings: SETTINGS });
  const ended = atExit(server.stop);
  const master = Number(readFileSync(join(folder, "queue/pid/master.pid"), "utf8"));
  const cpu = createCpuGroup(`postfix-${master}`, [master, ...childrenOf(master)]);
  return {
    ...{ name: postfix.name, port: server.port, sink, cpu },
    async stop() {
      server.stop();
      ended();
      await cpu.remove();
      await sink.stop();
    },
  };
}

const childrenOf = (pid: number): number[] =>
  readdirSync(`/proc/${pid}/task`).flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, "latin1").split(" ").filter(Boolean).map(Number),
  );
