// What HTTP costs a gateway that is attacked: large and slow requests, many connections, requests in requests, and paths
// that lead elsewhere.
import { once } from "node:events";
import type { Socket } from "node:net";
import { afterEach, describe, expect, test } from "vitest";
import { type HttpListener, listenHttp } from "../../src/listeners/http/listen.ts";
import { ownersDoor } from "../../src/operator/http/door.ts";
import { createNodeListener } from "../../src/operator/http/node-listener.ts";
import { FAILED, json, type Route } from "../../src/operator/http/route.ts";
import { BODY_MAX, createRouter } from "../../src/operator/http/router.ts";
import { systemClock } from "../../src/runtime/clock.ts";
import { measureCpu } from "../support/cpu.ts";
import {
  askAt,
  bearer,
  decision,
  type HttpPlace,
  openHttpPlace,
  openRaw,
  sendRaw,
} from "../support/http-place.ts";

const ends: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of ends.splice(0)) await end();
});

async function open(): Promise<HttpPlace> {
  const place = await openHttpPlace({ withTokens: true, clock: systemClock });
  ends.push(place.close);
  return place;
}

/** With a route that takes what it is sent, and one that waits. */
async function openBare(options: { connectionsMax?: number; timeoutMs?: number } = {}): Promise<{
  readonly port: number;
  readonly listener: HttpListener;
  readonly reached: readonly string[];
  release(): void;
}> {
  const reached: string[] = [];
  let release = (): void => {};
  const released = new Promise<void>((resolve) => {
    release = resolve;
  });
  const routes: Route[] = [
    {
      ...{ method: "POST", path: "/take", needs: "operate" },
      async answer(asked) {
        const text = await asked.text();
        reached.push(text);
        return json({ octets: text.length });
      },
    },
    {
      ...{ method: "GET", path: "/wait", needs: "operate" },
      async answer() {
        reached.push("wait");
        await released;
        return json({ waited: true });
      },
    },
    { method: "GET", path: "/short", needs: "operate", answer: () => json({ short: true }) },
  ];
  const handler = createNodeListener(createRouter(routes, ownersDoor, { error() {} }));
  const { connectionsMax, timeoutMs = 10_000 } = options;
  const listener = await listenHttp(
    {
      ...{ at: { host: "127.0.0.1", port: 0 }, failed: FAILED },
      ...(connectionsMax === undefined ? {} : { connectionsMax }),
      timeouts: { header: timeoutMs, request: timeoutMs, idle: timeoutMs, keepAlive: timeoutMs },
    },
    async () => handler,
  );
  ends.push(() => {
    release();
    return listener.close();
  });
  return { port: listener.port, listener, reached, release };
}

const statusesIn = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3})/g)].map(([, status = ""]) => status);

const closed = (socket: Socket): Promise<unknown> =>
  new Promise((resolve) => socket.once("close", resolve).resume());

describe("a large request", () => {
  test("above the limit is refused, with its length named or not, and nothing is decided", async () => {
    const { ask, addToken, decided, port } = await open();
    const token = await addToken("ann", "operate");
    const large = "x".repeat(BODY_MAX + 1);
    const headers = decision(bearer(token)).headers;
    const named = await ask("/api/v1/doubtful", { method: "POST", headers: headers ?? {}, body: large });
    expect(named.status).toBe(413);
    const chunked = { ...headers, "Transfer-Encoding": "chunked" };
    const unnamed = await askAt(port, "/api/v1/doubtful", { method: "POST", headers: chunked, body: large });
    expect(unnamed.status).toBe(413);
    expect(JSON.parse(unnamed.body)).toMatchObject({
      status: 413,
      detail: "a body has at most 65536 octets",
    });
    expect(decided).toEqual([]);
  });

  test("of somebody without a token is refused before its body is there", async () => {
    const { port } = await open();
    const socket = await openRaw(port);
    socket.write(
      "POST /api/v1/doubtful HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 1000000000000\r\n\r\n",
    );
    const [answer] = (await once(socket, "data")) as [Buffer];
    expect(answer.toString()).toMatch(/^HTTP\/1\.1 401 /);
    // The connection ends, however much of it comes all the same.
    const end = closed(socket);
    const piece = Buffer.alloc(1024 * 1024);
    const more = (): void => {
      while (!socket.destroyed && socket.write(piece));
    };
    socket.on("drain", more);
    more();
    await end;
  });

  test("that is a form with as many fields as fit costs no more than its size", async () => {
    const { ask, addToken } = await open();
    const headers = {
      ...bearer(await addToken("ann", "operate")),
      "Content-Type": "application/x-www-form-urlencoded",
    };
    const body = "a=1&".repeat(BODY_MAX / 4);
    const cpuMs = measureCpu();
    expect((await ask("/upstreams/resume", { method: "POST", headers, body })).status).toBe(400);
    // 36 ms were measured, and 1,900 where each field was added to a copy of those before.
    expect(cpuMs()).toBeLessThan(700);
  });

  test("has a header of 16 KiB at most", async () => {
    const { port } = await open();
    const header = `GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-Long: ${"x".repeat(20_000)}\r\n\r\n`;
    expect(statusesIn(await sendRaw(port, header))).toEqual(["431"]);
  });
});

describe("a slow client", () => {
  test.each([
    ["that says nothing", ""],
    ["whose header never ends", "GET /short HTTP/1.1\r\nHost: localhost\r\nX-Slow: "],
    ["whose body never ends", "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"],
    [
      "whose chunks never end",
      "POST /take HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n",
    ],
  ])("%s is ended, and nothing comes of it", async (_, begun) => {
    const { port, reached } = await openBare({ timeoutMs: 200 });
    const answer = await sendRaw(port, begun);
    expect(answer === "" ? ["408"] : statusesIn(answer)).toEqual(["408"]);
    expect(reached).toEqual([]);
  });

  test("that sends an octet now and then is ended too", async () => {
    const { port, reached } = await openBare({ timeoutMs: 300 });
    const socket = await openRaw(port);
    socket.write("POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n");
    const drip = setInterval(() => socket.write("x"), 50);
    await closed(socket);
    clearInterval(drip);
    expect(reached).toEqual([]);
  });
});

describe("many connections", () => {
  const GET = "GET /short HTTP/1.1\r\nHost: localhost\r\n\r\n";

  test.each([
    ["that ask nothing", ""],
    ["with half a header", "GET /short HTTP/1.1\r\nHost:"],
    ["with half a body", "POST /take HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n{"],
  ])("%s keep nobody out: the one that has waited longest goes", async (_, begun) => {
    const { port } = await openBare({ connectionsMax: 8 });
    const all: { readonly socket: Socket; readonly gone: Promise<unknown> }[] = [];
    const enter = async (): Promise<void> => {
      const socket = await openRaw(port);
      all.push({ socket, gone: closed(socket) });
      socket.write(begun);
    };
    for (let count = 0; count < 8; count++) await enter();
    for (let count = 0; count < 8; count++) {
      await enter();
      await all[count]?.gone;
    }
    expect((await askAt(port, "/short")).status).toBe(200);
    for (const { socket } of all) socket.destroy();
  });

  test("that are being answered are not ended for others", async () => {
    const { port, reached, release } = await openBare({ connectionsMax: 3 });
    const waiting = [askAt(port, "/wait"), askAt(port, "/wait"), askAt(port, "/wait")];
    while (reached.length < 3) await new Promise((resolve) => setImmediate(resolve));
    expect(await sendRaw(port, GET)).toBe("");
    release();
    expect((await Promise.all(waiting)).map(({ status }) => status)).toEqual([200, 200, 200]);
    expect((await askAt(port, "/short")).status).toBe(200);
  });

  test("1,000 at once: every one is answered or ended, and then it is as before", async () => {
    const { port } = await open();
    const answers = await Promise.all(
      Array.from({ length: 1_000 }, () =>
        sendRaw(port, "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"),
      ),
    );
    const answered = answers.filter((answer) => statusesIn(answer)[0] === "200");
    expect(answered.length).toBeGreaterThanOrEqual(256);
    expect(answers.filter((answer) => answer !== "" && !answered.includes(answer))).toEqual([]);
    expect((await askAt(port, "/healthz")).status).toBe(200);
  });
});

describe("a request in a request", () => {
  const inner = "GET /wait HTTP/1.1\r\nHost: localhost\r\n\r\n";
  const post = (fields: string, body: string): string =>
    `POST /take HTTP/1.1\r\nHost: localhost\r\n${fields}\r\n\r\n${body}`;

  test.each([
    ["two lengths", post("Content-Length: 0\r\nContent-Length: 44", inner)],
    ["a length and chunks", post("Content-Length: 5\r\nTransfer-Encoding: chunked", `0\r\n\r\n${inner}`)],
    ["chunks and a length", post("Transfer-Encoding: chunked\r\nContent-Length: 5", `0\r\n\r\n${inner}`)],
    ["a space before the colon", post("Transfer-Encoding : chunked", `0\r\n\r\n${inner}`)],
    ["chunked, and then something else", post("Transfer-Encoding: chunked, identity", `0\r\n\r\n${inner}`)],
    ["a coding that is none", post("Transfer-Encoding: xchunked", `0\r\n\r\n${inner}`)],
    ["a folded field", post("Transfer-Encoding:\r\n chunked\r\nContent-Length: 0", inner)],
    ["a length with a sign", post("Content-Length: +44", inner)],
    ["a length with a list", post("Content-Length: 0, 44", inner)],
    ["a chunk size that overflows", post("Transfer-Encoding: chunked", `10000000000000000\r\n${inner}`)],
    ["a chunk without its end", post("Transfer-Encoding: chunked", `1\r\nXX\r\n0\r\n\r\n${inner}`)],
    ["a bare LF", "POST /take HTTP/1.1\nHost: localhost\nContent-Length: 0\n\nGET /wait HTTP/1.1\n\n"],
    ["a NUL in a field", post("X-Field: a\0b\r\nContent-Length: 0", inner)],
  ])("%s: refused, the connection ends, and what follows is not looked at", async (_, octets) => {
    const { port, reached } = await openBare();
    expect(statusesIn(await sendRaw(port, octets))).toEqual(["400"]);
    expect(reached).not.toContain("wait");
  });

  test("the body of a request that is refused is none", async () => {
    const { port, decided } = await open();
    const stolen = "GET /api/v1/doubtful HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const answer = await sendRaw(
      port,
      `POST /api/v1/doubtful HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${stolen.length}\r\n\r\n${stolen}` +
        "GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
    );
    expect(statusesIn(answer).slice(0, 2)).toEqual(["401", "200"].slice(0, statusesIn(answer).length));
    expect(answer).not.toContain('doubtful":');
    expect(decided).toEqual([]);
  });

  test("CONNECT, TRACE and an upgrade lead nowhere", async () => {
    const { port } = await open();
    expect(await sendRaw(port, "CONNECT example.com:80 HTTP/1.1\r\nHost: localhost\r\n\r\n")).toBe("");
    const trace = await sendRaw(port, "TRACE / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    expect(statusesIn(trace)[0]).toMatch(/^4/);
    const upgrade = "Connection: Upgrade, close\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__";
    const plain = await sendRaw(port, `GET /healthz HTTP/1.1\r\nHost: localhost\r\n${upgrade}\r\n\r\n`);
    expect(plain).not.toContain("HTTP/1.1 101");
  });
});

describe("a path that leads elsewhere", () => {
  test.each([
    "/../../etc/passwd",
    "/..%2f..%2fetc%2fpasswd",
    "/%2e%2e/%2e%2e/etc/passwd",
    "/api/v1/../../../etc/passwd",
    "/login/..;/..;/etc/passwd",
    "/..\\..\\etc\\passwd",
    "//etc/passwd",
    "/etc/passwd%00.html",
    "/%",
    "/operator.sock",
    "/data/seal.0",
    "/api/v1/doubtful/",
    "/API/v1/doubtful",
    "/api/v1/doubtful%2f",
    "http://evil.example/api/v1/nothing",
    "*",
  ])("%s", async (path) => {
    const { port } = await open();
    const answer = await sendRaw(
      port,
      `GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    );
    expect(statusesIn(answer)[0]).toMatch(/^4/);
    expect(answer).not.toContain("root:");
  });

  test("as a method that is not served", async () => {
    const { ask } = await open();
    for (const method of ["PUT", "DELETE", "PATCH", "OPTIONS"]) {
      const { status } = await ask("/api/v1/doubtful", { method });
      expect([method, status]).toEqual([method, 405]);
    }
  });
});

test("a stop ends idle connections at once, and lets an answer under way end", async () => {
  const { port, listener, reached, release } = await openBare();
  const idle = await openRaw(port);
  const gone = closed(idle);
  const waiting = askAt(port, "/wait");
  while (reached.length === 0) await new Promise((resolve) => setImmediate(resolve));
  const stopped = listener.close();
  await gone;
  release();
  expect((await waiting).body).toBe('{"waited":true}');
  await stopped;
});

test("a listener that can't be loaded is a problem, and the next request tries again", async () => {
  let isBroken = true;
  const handler = createNodeListener(
    createRouter(
      [{ method: "GET", path: "/short", needs: "operate", answer: () => json({ short: true }) }],
      ownersDoor,
      { error() {} },
    ),
  );
  const listener = await listenHttp({ at: { host: "127.0.0.1", port: 0 }, failed: FAILED }, async () => {
    if (isBroken) throw new Error("no file descriptor is free");
    return handler;
  });
  ends.push(listener.close);
  const failed = await askAt(listener.port, "/short");
  expect(failed).toMatchObject({ status: 500, headers: { "content-type": "application/problem+json" } });
  expect(JSON.parse(failed.body)).toMatchObject({
    status: 500,
    detail: "the log of the gateway has the reason",
  });
  isBroken = false;
  expect(await askAt(listener.port, "/short")).toMatchObject({ status: 200, body: '{"short":true}' });
});
