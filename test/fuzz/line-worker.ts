// Sends command lines, connection after connection, and sees to it that each has its reply.
import type { Chance } from "../crash/chance.ts";
import { type Heard, hear } from "./account.ts";
import { type FuzzConnection, openConnection } from "./connection.ts";
import { lineGroup, type Stage } from "./lines.ts";
import { damagedMessage, stuffed } from "./messages.ts";
import { inPieces } from "./mutate.ts";
import type { FuzzReply } from "./replies.ts";

/** What all workers of a run have seen. */
export interface Tally {
  readonly heard: Heard;
  /** Replies by code and enhanced status, and answers by status and error. */
  readonly replies: Map<string, number>;
  readonly faults: string[];
  /** Resolves when another mail may be submitted: what is queued is memory too, and not what is measured. */
  readonly pace: () => Promise<void>;
  connections: number;
  lines: number;
  messages: number;
  /** To the API. */
  requests: number;
}

/** After these the server may close. */
const LAST_WORDS: ReadonlySet<number> = new Set([221, 421, 521, 550, 554]);

export function count(tally: Tally, { code, text }: FuzzReply): void {
  const key = `${code} ${/^\d\.\d+\.\d+/.exec(text)?.[0] ?? ""}`.trimEnd();
  tally.replies.set(key, (tally.replies.get(key) ?? 0) + 1);
}

/** Says `lines` lines, in as many sessions as that takes. */
export async function sayLines(port: number, chance: Chance, lines: number, tally: Tally): Promise<void> {
  let said = 0;
  while (said < lines) said += await session(port, chance, Math.min(lines - said, 2_000), tally);
}

/** @returns lines said, one at least */
async function session(port: number, chance: Chance, most: number, tally: Tally): Promise<number> {
  const connection = await openConnection(port);
  const transcript: string[] = [];
  let said = 0;
  tally.connections++;
  try {
    said = await talk(connection, chance, most, tally, transcript);
  } catch (error) {
    tally.faults.push(`${error}, after ${transcript.slice(-6).join(" / ")}`);
  }
  for (const fault of connection.faults)
    tally.faults.push(`${fault}, after ${transcript.slice(-6).join(" / ")}`);
  connection.destroy();
  return Math.max(said, 1);
}

async function talk(
  connection: FuzzConnection,
  chance: Chance,
  most: number,
  tally: Tally,
  transcript: string[],
): Promise<number> {
  let said = 0;
  let last: FuzzReply | undefined;
  let stage: Stage = "hello";
  // Some talk before the greeting.
  let greeted = chance.fraction() < 0.03;
  let pending = greeted ? 1 : 0;
  while (said < most) {
    if (!greeted) {
      greeted = true;
      const greeting = await connection.next();
      if (greeting === "end" || greeting.code !== 220) return said;
    }
    const group = lineGroup(chance, stage);
    transcript.push(
      JSON.stringify(
        Buffer.concat([...group.pieces])
          .toString("latin1")
          .slice(0, 300),
      ),
    );
    said += group.lines;
    tally.lines += group.lines;
    if (chance.fraction() < 0.004) {
      // Gone within a line, or with all of them said and no reply waited for.
      await connection.send(...group.pieces.slice(0, 1 + chance.below(group.pieces.length)));
      if (chance.fraction() < 0.5) return said;
      connection.end();
      while ((await connection.next()) !== "end");
      return said;
    }
    await connection.send(...group.pieces);
    const due = group.lines + pending;
    pending = 0;
    for (let heard = 0; heard < due; heard++) {
      const reply = await connection.next();
      if (reply === "end") {
        if (!LAST_WORDS.has(last?.code ?? 0))
          tally.faults.push(`closed without a word, after ${transcript.slice(-3).join(" / ")}`);
        return said;
      }
      last = reply;
      transcript.push(`${reply.code} ${reply.text}`.slice(0, 100));
      count(tally, reply);
      stage = nextStage(stage, reply);
      if (/^2\.0\.0 .*(?:queued|repeat)/.test(reply.text))
        tally.faults.push(`a mail out of commands: ${transcript.slice(-9).join(" / ")}`);
      if (reply.code === 354) {
        // What was said behind DATA is content now, or was refused; where it ends is not ours to know.
        if (heard + 1 < due || !(await sayContent(connection, chance, tally))) return said;
        stage = "mail";
      }
      // What follows is TLS, or nothing.
      if (reply.code === 220 && reply.text.includes("TLS")) return said;
      if (reply.code === 221 || reply.code === 421) {
        if ((await connection.next()) !== "end") tally.faults.push(`a reply after ${reply.code}`);
        return said;
      }
    }
  }
  return said;
}

/** @returns false when the connection is of no more use */
async function sayContent(connection: FuzzConnection, chance: Chance, tally: Tally): Promise<boolean> {
  await tally.pace();
  const task = `line-${tally.messages}-${chance.below(2 ** 31)}`;
  const octets = stuffed(damagedMessage(chance, task));
  const pieces = inPieces(octets, chance);
  if (chance.fraction() < 0.05) {
    await connection.send(...pieces.slice(0, chance.below(pieces.length)));
    return false;
  }
  await connection.send(...pieces);
  tally.messages++;
  const reply = await connection.next();
  if (reply === "end") {
    tally.faults.push("closed without a word, after the final dot");
    return false;
  }
  count(tally, reply);
  if (reply.code === 250) hear(tally.heard, reply.text, undefined);
  return reply.code !== 421;
}

function nextStage(stage: Stage, { code, text }: FuzzReply): Stage {
  if (code === 250 && text.startsWith("2.1.0")) return "recipient";
  if (code === 250 && text.startsWith("2.1.5")) return "data";
  if (code === 250 && !/^2\./.test(text)) return "mail";
  if (code === 250 && text.includes("Flushed")) return stage === "hello" ? "hello" : "mail";
  return code === 503 && text.includes("HELO") ? "hello" : stage;
}
