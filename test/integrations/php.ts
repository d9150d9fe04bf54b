// What the tests of Symfony and Laravel share: an application of theirs with workers, over Redis and a gateway.
import { findProgram } from "../support/peers.ts";
import type { Place } from "../support/place.ts";
import { has, hasRedis, type Mail, type Mails, startMails, startProgram, startRedis } from "./jobs.ts";

const php = findProgram("php");

/** Whether PHP is there with its client of Redis, and these files in its include path; in CI nothing may be missing. */
export function hasPhp(what: string, files: readonly string[]): boolean {
  const found = files.map((file) => `stream_resolve_include_path(${JSON.stringify(file)})`);
  const missing = `exit((int) !(${['extension_loaded("redis")', ...found].join(" && ")}));`;
  return hasRedis && has(what, php ?? "php", ["-r", missing]);
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[45][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

/** A method of the program's jobs, and its arguments. */
export type Call = readonly [name: string, ...args: readonly unknown[]];

export interface PhpApp extends Mails {
  /** Runs a command to its end and resolves with what it said. */
  run(...args: readonly string[]): Promise<string>;
  /** Does the work and waits until so many more submissions are answered: the tasks they named. */
  answers(count: number, work: () => Promise<unknown>): Promise<(string | undefined)[]>;
  /** Puts jobs into the queue and waits for their answers. */
  jobs(answers: number, ...jobs: readonly Call[]): Promise<(string | undefined)[]>;
  /** The same work outside a job. */
  calls(answers: number, ...calls: readonly Call[]): Promise<(string | undefined)[]>;
  /** What the upstream took for an address. */
  to(address: string): Mail[];
}

export interface PhpOptions {
  readonly program: string;
  /** The command of a worker; a supervisor starts it again when it dies. */
  readonly worker: string;
  readonly environment: (ports: { redis: number; mail: number }) => Readonly<Record<string, string>>;
}

export async function startPhp(place: Place, options: PhpOptions): Promise<PhpApp> {
  const [mails, redis] = await Promise.all([startMails(place), startRedis(place)]);
  const environment = options.environment({ redis: redis.port, mail: mails.gateway.port });
  const run = async (...args: readonly string[]): Promise<string> => {
    const program = startProgram(place, php as string, [options.program, ...args], { environment });
    const code = await program.exited;
    if (code !== 0) throw new Error(`${args.join(" ")} ended with ${code}: ${program.output()}`);
    return program.output();
  };
  const worker = `while :; do ${php} ${options.program} ${options.worker}; done`;
  startProgram(place, "sh", ["-c", worker], { environment });
  const answers = async (count: number, work: () => Promise<unknown>): Promise<(string | undefined)[]> => {
    const before = mails.submissions().length;
    await work();
    await mails.answered(before + count);
    return mails
      .submissions()
      .slice(before)
      .map(({ task }) => task);
  };
  return {
    ...{ ...mails, run, answers },
    jobs: (count, ...jobs) => answers(count, () => run("dispatch", JSON.stringify(jobs))),
    calls: (count, ...calls) => answers(count, () => run("call", JSON.stringify(calls))),
    to: (address) => mails.mails().filter(({ to }) => to.includes(address)),
  };
}
