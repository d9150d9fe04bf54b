// Submits damaged messages in a proper dialogue, some of them twice, and notes what was said to each.
import type { Chance } from "../crash/chance.ts";
import { hear } from "./account.ts";
import { type FuzzConnection, openConnection } from "./connection.ts";
import { count, type Tally } from "./line-worker.ts";
import { damagedMessage, stuffed } from "./messages.ts";
import { inPieces } from "./mutate.ts";

interface Submission {
  readonly octets: Buffer;
  readonly from: string;
  readonly to: readonly string[];
}

/** @param worker other than that of any other worker of the run */
export async function submitMessages(
  port: number,
  chance: Chance,
  messages: number,
  worker: string,
  tally: Tally,
): Promise<void> {
  let sent = 0;
  let previous: Submission | undefined;
  while (sent < messages) {
    const connection = await openConnection(port);
    tally.connections++;
    try {
      const most = Math.min(messages - sent, 1 + chance.below(40));
      for (let number = 0; number < most; number++) {
        const again = previous !== undefined && chance.fraction() < 0.1;
        const submission: Submission =
          again && previous !== undefined ? previous : draw(chance, `${worker}-${sent}`);
        previous = submission;
        sent++;
        tally.messages++;
        await tally.pace();
        if (!(await submit(connection, chance, submission, number === 0, tally))) break;
      }
    } catch (error) {
      tally.faults.push(`message ${worker}-${sent}: ${error}`);
    }
    for (const fault of connection.faults) tally.faults.push(`message ${worker}-${sent}: ${fault}`);
    connection.destroy();
  }
}

function draw(chance: Chance, name: string): Submission {
  const count = chance.fraction() < 0.85 ? 1 : 2 + chance.below(4);
  return {
    octets: stuffed(damagedMessage(chance, `task-${name}`)),
    from: chance.pick(["app@sender.example", "", "fuzz+tag@example.com", '"quoted"@example.com']),
    to: Array.from({ length: count }, (_, number) => `r${number}-${name}@example.net`),
  };
}

/** @returns false when the connection is of no more use */
async function submit(
  connection: FuzzConnection,
  chance: Chance,
  { octets, from, to }: Submission,
  isFirst: boolean,
  tally: Tally,
): Promise<boolean> {
  if (isFirst) {
    if ((await connection.next()) === "end") throw new Error("no greeting");
    await connection.send(Buffer.from("EHLO fuzz.example\r\n"));
    if ((await connection.next()) === "end") throw new Error("no reply to EHLO");
  }
  const envid =
    chance.fraction() < 0.1 ? ` ENVID=${chance.pick(["abc", "a+2Bb", "x".repeat(100)])} RET=HDRS` : "";
  const group = [`MAIL FROM:<${from}>${envid}`, ...to.map((one) => `RCPT TO:<${one}>`), "DATA", ""].join(
    "\r\n",
  );
  await connection.send(Buffer.from(group));
  for (let due = to.length + 2; due > 0; due--) {
    const reply = await connection.next();
    if (reply === "end") throw new Error("closed within the envelope");
    count(tally, reply);
    if (reply.code !== (due === 1 ? 354 : 250)) throw new Error(`refused: ${reply.code} ${reply.text}`);
  }
  const pieces = chance.fraction() < 0.5 ? [octets] : inPieces(octets, chance);
  if (chance.fraction() < 0.01) {
    await connection.send(...pieces.slice(0, chance.below(pieces.length)));
    return false;
  }
  await connection.send(...pieces);
  const reply = await connection.next();
  if (reply === "end") throw new Error("closed without a word, after the final dot");
  count(tally, reply);
  if (reply.code === 250) hear(tally.heard, reply.text, to.length);
  return true;
}
