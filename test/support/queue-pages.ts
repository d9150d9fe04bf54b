// The pages of a queue without a gateway: over the desk of a real spool, which has the mails that a test names.
import { onTestFinished } from "vitest";
import type { Role } from "../../src/access/tokens-lines.ts";
import type { Ordered } from "../../src/dispatch/order.ts";
import { createQueueDesk } from "../../src/operator/queue/desk.ts";
import { makeSubmissionId, type SpooledTransmission } from "../../src/spool/record.ts";
import { openSpool } from "../../src/spool/spool.ts";
import { type Asking, bearer, openHttpPlace, type Reply, STATUS } from "./http-place.ts";
import { createManualClock } from "./manual-clock.ts";
import { createMemoryStorage } from "./memory-storage.ts";
import { idOf } from "./transmission.ts";

export interface Mail extends Partial<SpooledTransmission> {
  readonly task?: string;
}

const HEADER = Buffer.from("Subject: x\r\n\r\n");
const MINUTE = 60_000;

export interface Opening {
  readonly as?: Role;
  /** What comes of each order. */
  readonly ordered?: Ordered;
}

/** Pages over the desk of a spool with these mails, each its own submission. They are due in ten minutes unless said. */
export async function openQueuePages(
  mails: readonly Mail[],
  { as, ordered = { ok: true, next: "due" } }: Opening = {},
) {
  const clock = createManualClock();
  const spool = await openSpool(createMemoryStorage());
  for (const [at, { task, ...mail }] of mails.entries()) {
    const id = makeSubmissionId(clock.now() + at, Buffer.alloc(4));
    await spool.accept({
      submission: {
        ...{
          id,
          acceptedAt: clock.now(),
          reversePath: "a@sender.example",
          bodyIn: "record",
          eightBit: false,
        },
        ...{ headerSize: HEADER.length, bodySize: 0, ...(task === undefined ? {} : { task }) },
        header: { slot: 12, setsMessageId: false, date: "", dateStart: 0, dateEnd: 0 },
      },
      header: HEADER,
      body: new Uint8Array(),
      transmissions: [
        {
          ...{ id: idOf(at), messageId: `<own-${at}@mailer.example>`, recipient: `r${at}@one.example` },
          ...{ size: 10, sender: {}, digest: "00".repeat(16), acceptedAt: clock.now() - at * MINUTE },
          ...{ attempts: 1, dueAt: clock.now() + 10 * MINUTE, ...mail },
        },
      ],
    });
  }
  const given: string[] = [];
  const desk = createQueueDesk({
    ...{ spool, clock, isDoubtful: () => false, find: () => undefined, upstreamOf: () => "main" },
    policy: "hold",
    standingOf: ({ dueAt, held }) => ({
      ...{ dueAt, state: held === true ? "held" : dueAt <= clock.now() ? "due" : "waiting" },
    }),
    async give(_, id, { kind, reason, by }) {
      given.push([kind, id, reason, by].filter((part) => part !== undefined).join(" "));
      return ordered;
    },
  });
  const place = await openHttpPlace({
    ...{ clock, withTokens: as !== undefined },
    parts: { queue: desk, status: STATUS_DESK },
  });
  onTestFinished(place.close);
  const headers = as === undefined ? {} : bearer(await place.addToken("ann", as));
  return {
    ...{ given, logged: place.logged },
    page: (query = "") => place.ask(`/queue${query}`, { headers }),
    post: (path: string, fields: Fields) => place.ask(path, formWith(fields, headers)),
  };
}

const counted = (count: number) => ({ count });
const STATUS_DESK = {
  decided() {},
  read: async () => ({
    ...STATUS,
    lanes: [
      {
        ...{ name: "main", upstreams: ["main"], due: counted(12), waiting: counted(41) },
        ...{ underway: counted(0), held: { count: 2, byDoubt: 1, byOperator: 1 } },
      },
    ],
  }),
  minutes: () => [],
  others: () => ({ ledger: true, upstreams: [] }),
};

/** As the page lists them. */
export const recipientsIn = ({ body }: Reply): string[] =>
  [...body.matchAll(/<th scope="row" class="address"><a href="\/mails\/[a-z2-7]{32}">([^<]*)<\/a>/g)].map(
    ([, to = ""]) => to,
  );

/** Without markup. */
export const textOf = ({ body }: Reply): string => body.replace(/<[^>]*>/g, "").replace(/\s+/g, " ");

export type Fields = readonly (readonly [name: string, value: string])[];

/** A form, as a browser sends it. */
export function formWith(fields: Fields, headers: Readonly<Record<string, string>>): Asking {
  const body = new URLSearchParams();
  for (const [name, value] of fields) body.append(name, value);
  const type = { "Content-Type": "application/x-www-form-urlencoded" };
  return { method: "POST", headers: { ...headers, ...type }, body: body.toString() };
}

/** For every text that a page shows. */
export const MARKUP = `"><script>alert(1)</script><img src=x onerror='alert(2)'>`;
