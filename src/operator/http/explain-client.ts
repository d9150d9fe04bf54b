// How `mailonce explain` asks the gateway that runs.
import type { ExplainDesk, Explained, Match } from "../explain/words.ts";
import { askGateway, detailOf, GatewayError } from "./client.ts";

/** Each call rejects as askGateway does. The owner of the socket sees everything. */
export const gatewayExplain = (dataDir: string): ExplainDesk => ({
  async explain(id) {
    const reply = await askGateway(dataDir, "GET", `/api/v1/mails/${id}`);
    if (reply.status === 200) return reply.body as Explained;
    // An older gateway knows no such path; this one says what it knows nothing of.
    if (reply.status === 404 && detailOf(reply).startsWith("Nothing is known")) return undefined;
    throw new GatewayError(detailOf(reply));
  },
  async find(query, page) {
    const asked = Object.entries({ ...query, ...page }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, String(value)] as [string, string]],
    );
    const reply = await askGateway(dataDir, "GET", `/api/v1/mails?${new URLSearchParams(asked)}`);
    if (reply.status === 400) throw new RangeError(detailOf(reply));
    if (reply.status !== 200) throw new GatewayError(detailOf(reply));
    const { mails, next } = reply.body as { mails: Match[]; next?: string };
    return { items: mails, ...(next === undefined ? {} : { next }) };
  },
});
