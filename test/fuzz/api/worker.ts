// Makes calls, connection after connection, and notes what was said to each.
import type { Chance } from "../../crash/chance.ts";
import { type Key, signed } from "../../support/sigv4.ts";
import { hearCall } from "../account.ts";
import type { Tally } from "../line-worker.ts";
import type { Answer } from "./answers.ts";
import { type Call, drawCall } from "./calls.ts";
import { type ApiConnection, openApiConnection } from "./connection.ts";
import { broken, type Field, type Framed, framed, pipelined } from "./framing.ts";
import { missigned } from "./signature.ts";

export interface Api {
  readonly port: number;
  readonly key: Key;
}

interface Request {
  readonly number: number;
  readonly call: Call;
  readonly fields: readonly Field[];
}

/** A client whose request is no request waits so long for an answer before it closes. */
const PATIENCE_MS = 300;

/** Makes `requests` calls, in as many connections as that takes. */
export async function makeCalls(api: Api, chance: Chance, requests: number, tally: Tally): Promise<void> {
  let made = 0;
  let previous: Request | undefined;

  const draw = (): Request => {
    made++;
    tally.requests++;
    // A mail that comes again: as it was, or signed anew.
    const again = previous !== undefined && chance.fraction() < 0.1 ? previous : undefined;
    if (again !== undefined && chance.fraction() < 0.5) return again;
    const number = again?.number ?? tally.requests;
    const call = again?.call ?? drawCall(chance, number);
    const fields = signed(call, api.key, api.port);
    const isWrong = chance.fraction() < 0.04;
    const request = { number, call, fields: isWrong ? missigned(fields, chance) : fields };
    previous = isWrong ? undefined : request;
    return request;
  };

  while (made < requests) {
    const connection = await openApiConnection(api.port);
    tally.connections++;
    let shown = "";
    try {
      for (let left = 1 + chance.below(60); left > 0 && made < requests && connection.isOpen; left--) {
        await tally.pace();
        const fate = chance.fraction();
        const drawn = fate < 0.02 ? Array.from({ length: 2 + chance.below(4) }, draw) : [draw()];
        const [first] = drawn as [Request, ...Request[]];
        shown = `${first.number}: ${first.call.method} ${first.call.path} ${first.call.body.toString("latin1").slice(0, 400)}`;
        if (fate < 0.02) await inOne(connection, drawn, tally);
        else if (fate < 0.06) await breaking(connection, first, chance, tally);
        else if (fate < 0.09) await leaving(connection, first, chance, tally);
        else await asking(connection, first, framed(first.call, first.fields, chance), tally);
      }
    } catch (error) {
      tally.faults.push(`request ${shown}: ${error}`);
    }
    for (const fault of connection.faults) tally.faults.push(`${fault}, at request ${shown}`);
    connection.destroy();
  }
}

function note(tally: Tally, { number }: Request, answer: Answer): void {
  const key = `HTTP ${answer.status} ${answer.error ?? ""}`.trimEnd();
  tally.replies.set(key, (tally.replies.get(key) ?? 0) + 1);
  hearCall(tally.heard, number, answer.messageId);
}

async function write(connection: ApiConnection, { pieces, expects, isSlow }: Framed): Promise<void> {
  for (const [at, piece] of pieces.entries()) {
    if (at === 1 && expects === true) await connection.permitted();
    if (isSlow === true) await new Promise((resolve) => setImmediate(resolve));
    await connection.send(piece);
  }
}

/** One request that is one: it has an answer, whatever is in it. */
async function asking(
  connection: ApiConnection,
  request: Request,
  octets: Framed,
  tally: Tally,
): Promise<void> {
  connection.isHead = request.call.method === "HEAD";
  await write(connection, octets);
  await answered(connection, request, tally);
}

async function answered(connection: ApiConnection, request: Request, tally: Tally): Promise<void> {
  const answer = await connection.next();
  if (answer === "end" || answer === "silence") throw new Error("closed without an answer");
  note(tally, request, answer);
  if (answer.isLast && (await connection.next()) !== "end") throw new Error("an answer behind the last");
}

/** Several at once: as many answers, in their order. */
async function inOne(connection: ApiConnection, requests: readonly Request[], tally: Tally): Promise<void> {
  const asked = requests.filter(({ call }) => call.method !== "HEAD");
  if (asked.length === 0) return;
  connection.isHead = false;
  await write(connection, pipelined(asked));
  for (const request of asked) await answered(connection, request, tally);
}

/** What is no request, or more than one: each answer that comes is a proper one, and then the client closes. */
async function breaking(
  connection: ApiConnection,
  request: Request,
  chance: Chance,
  tally: Tally,
): Promise<void> {
  const { call, fields } = request;
  hearCall(tally.heard, request.number, "unheard");
  if (call.method === "HEAD") return;
  connection.isHead = false;
  await write(connection, broken(call, fields, chance));
  const first = await connection.next(PATIENCE_MS);
  connection.end();
  if (first === "end") return;
  if (first !== "silence") note(tally, request, first);
  await hearOut(connection, request, tally);
}

/** To the end of the connection. */
async function hearOut(connection: ApiConnection, request: Request, tally: Tally): Promise<void> {
  for (;;) {
    const answer = await connection.next();
    if (answer === "end" || answer === "silence") return;
    note(tally, request, answer);
  }
}

/** A client that goes away: within the request, or before its answer. */
async function leaving(
  connection: ApiConnection,
  request: Request,
  chance: Chance,
  tally: Tally,
): Promise<void> {
  hearCall(tally.heard, request.number, "unheard");
  const { pieces } = framed(request.call, request.fields, chance);
  const octets = Buffer.concat([...pieces]);
  await connection.send(
    octets.subarray(0, chance.fraction() < 0.5 ? octets.length : chance.below(octets.length)),
  );
  if (chance.fraction() < 0.3) {
    connection.isHead = request.call.method === "HEAD";
    connection.end();
    await hearOut(connection, request, tally);
  }
  connection.destroy();
}
