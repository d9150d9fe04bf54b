// A server that stalls once is charged for every mail that was due meanwhile.
import { once } from "node:events";
import { type AddressInfo, createServer } from "node:net";
import { expect, test } from "vitest";
import { submitPaced } from "../../bench/support/paced-load.ts";
import { percentile } from "../../bench/support/statistics.ts";

const RATE = 1_000;
const MESSAGES = 1_000;
const STALL_MS = 300;

/** Answers at once; after `stallAfter` mails no content is answered for a while. */
async function startServer(stallAfter: number, finalReply = "250 2.0.0 queued") {
  const tasks = new Set<string>();
  let taken = 0;
  let stalledUntil = 0;
  const server = createServer((socket) => {
    let content = "";
    let inContent = false;
    socket.write("220 server.example\r\n");
    socket.on("error", () => {});
    socket.setEncoding("latin1").on("data", (text: string) => {
      if (!inContent) {
        inContent = text.startsWith("DATA");
        const split = text.startsWith("EHLO") ? "250-server.example\r\n250 PIPELINING\r\n" : "250 ok\r\n";
        socket.write(inContent ? "354 go on\r\n" : split);
        return;
      }
      content += text;
      if (!content.endsWith("\r\n.\r\n")) return;
      tasks.add(/^X-Task-Id: (\S+)/m.exec(content)?.[1] ?? "none");
      [content, inContent] = ["", false];
      if (++taken === stallAfter) stalledUntil = performance.now() + STALL_MS;
      setTimeout(() => socket.write(`${finalReply}\r\n`), Math.max(0, stalledUntil - performance.now()));
    });
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  return { tasks, port: (server.address() as AddressInfo).port, close: () => server.close() };
}

const load = { rate: RATE, messages: MESSAGES, octets: 4_096 };

test("each mail has a task, and what a stall held up is counted from when it was due", async () => {
  const server = await startServer(500);
  try {
    // Far too few connections to go on during the stall.
    const { replies, lateness } = await submitPaced({ ...load, port: server.port, connections: 10 });
    expect(server.tasks.size).toBe(MESSAGES);
    expect(replies).toHaveLength(MESSAGES);
    // 300 were due in it, half of which waited for half of it at least; 10 would be all without.
    const held = replies.filter((ms) => ms > STALL_MS / 2).length;
    expect(held).toBeGreaterThan(140);
    expect(percentile(lateness, 100)).toBeGreaterThan(STALL_MS / 2);
    expect([...replies]).toEqual([...replies].sort((a, b) => a - b));
  } finally {
    server.close();
  }
});

test("a refusal ends it", async () => {
  const server = await startServer(MESSAGES, "451 4.3.0 no");
  try {
    await expect(submitPaced({ ...load, port: server.port, connections: 10 })).rejects.toThrow(
      "451 4.3.0 no",
    );
  } finally {
    server.close();
  }
});
