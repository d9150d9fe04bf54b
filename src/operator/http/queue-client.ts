// The desk for the queue of the gateway that runs on a data folder.
import { text } from "node:stream/consumers";
import { inputOf, type QueueFilter } from "../queue/filter.ts";
import type { OrderResult, QueueCounts, QueueDesk, QueueEntry, QueueMail } from "../queue/words.ts";
import { askGateway, detailOf, faultOf, GatewayError, openReply } from "./client.ts";

const PATH = "/api/v1/queue";

type Parameters = Readonly<Record<string, string | number | undefined>>;

const withQuery = (path: string, parameters: Parameters): string => {
  const query = new URLSearchParams();
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined) query.set(name, String(value));
  }
  return query.size === 0 ? path : `${path}?${query}`;
};

const parametersOf = (filter: QueueFilter): Parameters => inputOf(filter) as Parameters;

/** Each call rejects as askGateway does. */
export function gatewayQueue(dataDir: string): QueueDesk {
  const get = async <T>(path: string, parameters: Parameters): Promise<T | undefined> => {
    const reply = await askGateway(dataDir, "GET", withQuery(path, parameters));
    if (reply.status === 404) return undefined;
    if (reply.status !== 200) throw new GatewayError(detailOf(reply));
    return reply.body as T;
  };
  /** Of what is there, or the gateway is another. */
  const known = <T>(body: T | undefined): T => {
    if (body === undefined) throw new GatewayError("the gateway does not know this; restart it");
    return body;
  };

  return {
    async list(filter, { limit, cursor }) {
      const asked = { ...parametersOf(filter), limit, cursor };
      const { queue: items, next } = known(await get<{ queue: QueueEntry[]; next?: string }>(PATH, asked));
      return { items, ...(next === undefined ? {} : { next }) };
    },

    counts: async (filter) => known(await get<QueueCounts>(`${PATH}/counts`, parametersOf(filter))),

    show: async (name) => (await get<{ mails: QueueMail[] }>(`${PATH}/mail`, { name }))?.mails ?? [],

    async content(name, part) {
      const reply = await openReply(dataDir, "GET", withQuery(`${PATH}/content`, { name, part }));
      if (reply.statusCode === 200) return wholeOf(reply);
      if (reply.statusCode === 404) {
        reply.resume();
        return undefined;
      }
      throw new GatewayError(
        detailOf({ status: reply.statusCode ?? 0, body: JSON.parse(await text(reply)) }),
      );
    },

    async order({ kind, reason, resend }, selection, { all, limit, cursor }) {
      const which = "names" in selection ? { ids: selection.names } : { filter: inputOf(selection.filter) };
      const yes = kind === "remove" ? { yes: true } : {};
      const asked = { ...which, ...yes, all, limit, cursor, reason, ...(kind === "retry" ? { resend } : {}) };
      const reply = await askGateway(dataDir, "POST", `${PATH}/${kind}`, asked);
      const { results, next, matches } = reply.body as OrderReply;
      if (matches !== undefined) return { kind: "many", count: matches };
      if (results === undefined) throw new GatewayError(detailOf(reply));
      return { kind: "given", items: results, ...(next === undefined ? {} : { next }) };
    },
  };
}

interface OrderReply {
  readonly results?: readonly OrderResult[];
  readonly next?: string;
  readonly matches?: number;
}

/** An answer that is cut off is no shorter content. */
async function* wholeOf(reply: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  try {
    yield* reply;
  } catch (error) {
    throw faultOf(error as Error);
  }
}
