// `mailonce drain --until-empty`: the gateway takes no more mail, relays what is there, and ends. The command waits for
// that, and says what keeps it; the gateway goes on without it.
import type { Config } from "../config/config.ts";
import { askGateway, detailOf, GatewayError, NoGatewayError } from "../operator/http/client.ts";
import { listeningIn } from "../operator/status/listening.ts";
import type { Status, Trouble } from "../operator/status/schema.ts";
import { countOf, durationOf } from "../runtime/amounts.ts";
import { StorageError } from "../storage/storage.ts";
import { exitCodes, reportFaults } from "./exit.ts";
import { operate } from "./operate.ts";
import { type JsonOption, jsonLine, print } from "./print.ts";
import { reasonFaults } from "./reason.ts";
import { askStatus } from "./status.ts";
import { troubleLine } from "./status-screen.ts";

export interface DrainOptions extends JsonOption {
  readonly untilEmpty?: boolean;
  readonly reason?: string;
  readonly config?: string;
}

const EVERY_MS = 1_000;

/** A process that ends has its data folder until its last moment. */
const ENDING_MS = 30_000;

export async function drain({ untilEmpty, reason, json, config: file }: DrainOptions): Promise<number> {
  if (untilEmpty !== true) {
    const fault =
      "drain takes no more mail, and ends the gateway once its queue is empty: say --until-empty for that";
    return reportFaults([fault], exitCodes.badConfiguration);
  }
  const faults = reasonFaults(reason);
  if (faults.length > 0) return reportFaults(faults, exitCodes.badConfiguration);
  return await operate(file, async (config) => {
    const say = async (text: string, facts: object): Promise<void> => {
      await print(json === true ? jsonLine(facts) : `${text}\n`);
    };
    try {
      const began = await beginDraining(config, reason);
      const already = began.wasDraining ? ` already, since ${began.since}` : "";
      await say(`this gateway takes no more mail${already}; it ends when its queue is empty`, {
        ...{ state: "draining", ...began },
      });
      const isAnother = await interruptible(() => untilGone(config, say));
      if (isAnother) {
        return reportFaults(["the gateway was started again, which ended draining"], exitCodes.failed);
      }
    } catch (error) {
      if (!(error instanceof NoGatewayError)) throw error;
    }
    return await sayWhatIsLeft(config, say);
  });
}

/** The gateway goes on all the same, which who interrupts the command should know. */
async function interruptible<T>(work: () => Promise<T>): Promise<T> {
  const interrupt = (): void => {
    process.stdout.write("the gateway goes on draining; a restart of it ends that\n", () =>
      process.exit(exitCodes.interrupted),
    );
  };
  process.once("SIGINT", interrupt);
  try {
    return await work();
  } finally {
    process.off("SIGINT", interrupt);
  }
}

type Say = (text: string, facts: object) => Promise<void>;

async function beginDraining(
  config: Config,
  reason: string | undefined,
): Promise<{ since: string; wasDraining: boolean }> {
  const reply = await askGateway(config.data_dir, "POST", "/api/v1/drain", { reason });
  if (reply.status !== 200) throw new GatewayError(detailOf(reply));
  return reply.body as { since: string; wasDraining: boolean };
}

/** Says what is left each time that it has changed. @returns whether another process has taken the gateway's place */
async function untilGone({ data_dir }: Config, say: Say): Promise<boolean> {
  let startedAt: string | undefined;
  let last = "";
  for (;;) {
    try {
      const status = await askStatus(data_dir);
      startedAt ??= status.startedAt;
      if (status.startedAt !== startedAt || status.phase === "running") return true;
      const left = leftIn(status);
      // Not for each second that passes.
      const now = JSON.stringify([left, keeping(status).map(({ text, reason }) => [text, reason])]);
      if (now !== last) await say(remaining(status, Date.now()), { state: status.phase, left });
      last = now;
    } catch (error) {
      if (error instanceof NoGatewayError) return false;
      // It ended while it answered.
      if (!(error instanceof GatewayError)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
  }
}

/** The gateway has ended, or none ran: whether its queue is empty is in its spool. */
async function sayWhatIsLeft(config: Config, say: Say): Promise<number> {
  const [{ countSpooled }, { stoppedWorld }] = await Promise.all([
    import("../operator/offline-spool.ts"),
    import("./stopped-world.ts"),
  ]);
  const until = Date.now() + ENDING_MS;
  for (;;) {
    try {
      const left = await countSpooled(await stoppedWorld(config));
      if (left > 0) {
        const fault = `no gateway runs on ${config.data_dir}, and ${mails(left)} ${left === 1 ? "is" : "are"} in its queue`;
        return reportFaults([fault], exitCodes.failed);
      }
      await say(`drained: no gateway runs on ${config.data_dir}, and its queue is empty`, {
        state: "drained",
      });
      return exitCodes.ok;
    } catch (error) {
      const isEnding = error instanceof StorageError && error.code === "locked" && Date.now() < until;
      if (!isEnding) throw error;
      await new Promise((resolve) => setTimeout(resolve, EVERY_MS));
    }
  }
}

const mails = (count: number): string => (count === 1 ? "1 mail" : `${countOf(count)} mails`);

export interface Left {
  readonly due: number;
  readonly waiting: number;
  readonly underway: number;
  readonly heldByDoubt: number;
  /** Of those. */
  readonly listening: number;
  readonly heldByOperator: number;
  readonly reports: number;
}

export function leftIn({ lanes, reportsWaiting: reports }: Pick<Status, "lanes" | "reportsWaiting">): Left {
  const sum = (of: (lane: Status["lanes"][number]) => number): number =>
    lanes.reduce((total, lane) => total + of(lane), 0);
  return {
    due: sum(({ due }) => due.count),
    waiting: sum(({ waiting }) => waiting.count),
    underway: sum(({ underway }) => underway.count),
    heldByDoubt: sum(({ held }) => held.byDoubt),
    listening: listeningIn({ lanes })?.count ?? 0,
    heldByOperator: sum(({ held }) => held.byOperator),
    reports,
  };
}

/** What is left and what keeps it, for a person. */
export function remaining(status: Status, now: number): string {
  const { due, waiting, underway, heldByDoubt, listening, heldByOperator, reports } = leftIn(status);
  const undecided = heldByDoubt - listening;
  const next = Math.min(
    ...status.lanes.map(({ waiting: { oldestDueAt } }) =>
      oldestDueAt === undefined ? Number.POSITIVE_INFINITY : Date.parse(oldestDueAt),
    ),
  );
  const parts = [
    ...(underway > 0 ? [`${countOf(underway)} under way`] : []),
    ...(due > 0 ? [`${countOf(due)} due`] : []),
    ...(waiting > 0
      ? [`${countOf(waiting)} wait for the next try, the first in ${durationOf(next - now)}`]
      : []),
    ...(listening > 0 ? [`in doubt, ${listeningIn(status)?.text}`] : []),
    ...(undecided > 0 ? [`${countOf(undecided)} in doubt wait for \`mailonce doubtful resolve\``] : []),
    ...(heldByOperator > 0
      ? [`${countOf(heldByOperator)} held by an operator until \`mailonce queue release\``]
      : []),
    ...(reports > 0 ? [`${countOf(reports)} wait to be reported`] : []),
  ];
  const since = (time: string): string => durationOf(now - Date.parse(time));
  return [
    parts.length === 0 ? "left: nothing but what is being recorded" : `left: ${parts.join("; ")}`,
    ...keeping(status).map((trouble) => `  ${troubleLine(trouble, since)}`),
  ].join("\n");
}

const keeping = ({ troubles }: Status): Trouble[] => troubles.filter(({ kind }) => KEEPS.has(kind));

/** Of what may be wrong, what keeps mail from leaving. */
const KEEPS: ReadonlySet<string> = new Set(["storage", "ledger", "upstream", "silent", "operator"]);
