// What the tests of integrations/python share: the environment of their programs, and a desk, which is a process that does
// what a test asks it for in Redis.
import { Redis as RedisClient } from "ioredis";
import type { Place } from "../support/place.ts";
import { INTEGRATIONS, type Mails, PROGRAMS, PYTHON, type Redis, startProgram } from "./jobs.ts";

/** Where the programs find the file that users copy, each other, the broker and the gateway. */
export const pythonEnvironment = (mails: Mails, broker?: Redis): Record<string, string> => ({
  ...(broker && { REDIS_URL: broker.url }),
  SMTP_PORT: String(mails.gateway.port),
  PYTHONPATH: `${INTEGRATIONS}/python:${PROGRAMS}/python`,
  PYTHONDONTWRITEBYTECODE: "1",
});

export interface Answer {
  readonly id?: string;
  readonly result?: unknown;
  readonly error?: string;
}

export interface Desk {
  readonly redis: RedisClient;
  ask(what: unknown): Promise<Answer>;
}

export async function startDesk(
  place: Place,
  broker: Redis,
  program: string,
  environment: Record<string, string>,
): Promise<Desk> {
  const redis = new RedisClient(broker.port);
  place.atEnd(() => redis.disconnect());
  const desk = startProgram(place, PYTHON, [`${PROGRAMS}/python/${program}`], { environment });
  await desk.said(/the desk is open/);
  return {
    redis,
    async ask(what) {
      await redis.rpush("asked", JSON.stringify(what));
      const answer = await Promise.race([
        redis.blpop("answered", 0),
        desk.exited.then(() => Promise.reject(new Error(`the desk has ended: ${desk.output()}`))),
      ]);
      return JSON.parse(answer?.[1] ?? "{}") as Answer;
    },
  };
}

/** What comes of some work, once the gateway has answered so many submissions since its begin. */
export async function during(mails: Mails, submissions: number, work: () => Promise<unknown>) {
  const before = { mails: mails.mails().length, submissions: mails.submissions().length };
  await work();
  await mails.answered(before.submissions + submissions);
  const submitted = mails.submissions().slice(before.submissions);
  const relayed = mails.mails().slice(before.mails);
  return {
    ...{ submitted, mails: relayed },
    receivers: relayed.map(({ to }) => to.join()).sort(),
    became: submitted.map(({ became }) => became),
    tasks: submitted.map(({ task }) => task),
  };
}
