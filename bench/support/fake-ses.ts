// A program of its own: an SES that takes as little of the processor as can be. It looks for the length of a
// request and for its end, counts, and answers always the same. How many it has taken is in the file that it is
// told, since whoever asks would wait for a message.
import { openSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";

const COUNT_MS = 5;
const BLANK_LINE = Buffer.from("\r\n\r\n");

const answer = (body: object): Buffer => {
  const text = JSON.stringify(body);
  const head = `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${text.length}\r\n\r\n`;
  return Buffer.from(head + text);
};
const TAKEN = answer({ MessageId: "0100018c00000000-00000000-0000-0000-0000-000000000000-000000" });
/** More than anybody here sends: the rate is not what is measured. */
const ACCOUNT = answer({ SendQuota: { MaxSendRate: 1_000_000, Max24HourSend: -1, SentLast24Hours: 0 } });

const [, , path = ""] = process.argv;
const file = openSync(path, "w");
let taken = 0;
let written = -1;
setInterval(() => {
  if (written === taken) return;
  written = taken;
  writeSync(file, String(taken).padEnd(20), 0);
}, COUNT_MS);

function serve(socket: Socket): void {
  /** Of the request that is being read: what has come of its header, and what is missing of its body. */
  let header: Buffer | undefined;
  let missing = 0;
  let isMail = false;

  const read = (chunk: Buffer): Buffer => {
    if (missing > 0) {
      const rest = chunk.subarray(missing);
      missing -= chunk.length - rest.length;
      return rest;
    }
    const octets = header === undefined ? chunk : Buffer.concat([header, chunk]);
    const end = octets.indexOf(BLANK_LINE);
    header = end < 0 ? octets : undefined;
    if (end < 0) return octets.subarray(octets.length);
    const text = octets.toString("latin1", 0, end);
    missing = Number(/\ncontent-length: *(\d+)/i.exec(text)?.[1] ?? 0);
    isMail = text.startsWith("POST");
    return octets.subarray(end + BLANK_LINE.length);
  };

  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    let rest = chunk;
    do {
      rest = read(rest);
      if (header !== undefined || missing > 0) continue;
      if (isMail) taken++;
      socket.write(isMail ? TAKEN : ACCOUNT);
    } while (rest.length > 0);
  });
}

const server = createServer({ noDelay: true }, serve).listen(0, "127.0.0.1", () => {
  process.send?.(server.address());
});
process.on("disconnect", () => process.exit());
