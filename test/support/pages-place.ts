// Pages of a gateway in this process: its real desks, behind the real HTTP, for visitors and for people with a token.

import { onTestFinished } from "vitest";
import type { OperatorParts } from "../../src/operator/routes/parts.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { openHeldGateway } from "./held-gateway.ts";
import { bearer, type HttpPlace, NO_PARTS, openHttpPlace, type Reply, STATUS } from "./http-place.ts";
import { formWith } from "./queue-pages.ts";

/** Would run if it were not escaped, in an element and in an attribute. */
export const HOSTILE = `"><img src=x onerror=alert(1)><script>alert('1')</script>'&`;

export type Fields = Readonly<Record<string, string | readonly string[]>>;

export interface PagesPlace {
  readonly http: HttpPlace;
  /** What somebody without a token sees. */
  visit(path: string): Promise<Reply>;
  read(path: string): Promise<Reply>;
  operate(path: string): Promise<Reply>;
  /** Sends a form, with the token for that role unless it is a visitor's. */
  send(path: string, fields?: Fields, role?: "visitor" | "read" | "operate"): Promise<Reply>;
  close(): Promise<void>;
}

/** @param parts the other ones are of a gateway that has nothing */
export async function openPages(parts: Partial<OperatorParts>): Promise<PagesPlace> {
  const http = await openHttpPlace({ parts, withTokens: true });
  const open = await openHttpPlace({ parts });
  const tokens = {
    read: bearer(await http.addToken("rea", "read")),
    operate: bearer(await http.addToken("ope", "operate")),
  };
  return {
    http,
    visit: (path) => open.ask(path),
    read: (path) => http.ask(path, { headers: tokens.read }),
    operate: (path) => http.ask(path, { headers: tokens.operate }),
    send(path, fields = {}, role = "operate") {
      const all = Object.entries(fields).flatMap(([name, values]) =>
        [values].flat().map((value) => [name, value] as const),
      );
      return role === "visitor"
        ? open.ask(path, formWith(all, {}))
        : http.ask(path, formWith(all, tokens[role]));
    },
    async close() {
      await http.close();
      await open.close();
    },
  };
}

/**
 * A gateway whose upstream is called "held", and its pages. What is in doubt is held unless settings say otherwise.
 *
 * @param evidenceWaitMs for how long a doubt waits for evidence
 */
export async function openGatewayPages(
  settings: Readonly<Record<string, string>> = {},
  evidenceWaitMs?: number,
) {
  const all = { MAILONCE_LEDGER_DOUBTFUL: "hold", ...settings };
  const gateway = await openHeldGateway(all, undefined, undefined, evidenceWaitMs);
  const { doubtful, evidence, explain, forget, queue, recent } = gateway.relay;
  // Each look is at a new state: the overview is made once for each.
  const status = { ...NO_PARTS.status, read: async () => ({ ...STATUS }) };
  const pages = await openPages({ doubtful, evidence, explain, forget, queue, recent, status });
  return {
    ...{ gateway, pages },
    /** Submits a mail to each, whose first attempt is answered so, or not at all. @returns their ids */
    async submit(recipients: readonly string[], outcome?: Outcome): Promise<string[]> {
      await gateway.submit(recipients);
      const ids: string[] = [];
      for (const recipient of recipients) {
        const call = gateway.call(recipient);
        ids.push(call.transmission.id);
        if (outcome !== undefined) await call.answer(outcome);
      }
      return ids;
    },
    async close() {
      await pages.close();
      // A stop waits for what is under way; reports come after it.
      for (const { answer } of gateway.calls) await answer({ kind: "accepted", upstreamId: "late" });
      await gateway.stop();
    },
  };
}

/** The page says this where everybody reads it: without its markup, each run of space as one. */
export const textOf = ({ body }: Reply): string =>
  body
    .replace(/<[^>]*>/g, " ")
    .replaceAll("&quot;", '"')
    .replaceAll("&#39;", "'")
    .replaceAll("&lt;", "<")
    .replaceAll("&gt;", ">")
    .replaceAll("&amp;", "&")
    .replace(/\s+/g, " ");

/** Closes it when the test is over. */
export function closed<T extends { close(): Promise<void> }>(one: T): T {
  onTestFinished(() => one.close());
  return one;
}
