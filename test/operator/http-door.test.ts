// Who may ask over HTTP, and what: attacks of pages of strangers, of guessers, and of those whose token allows less.
import { readFileSync, writeFileSync } from "node:fs";
import { afterEach, describe, expect, test } from "vitest";
import { dropLine } from "../../src/access/access-edit.ts";
import { parseTokens } from "../../src/access/tokens-lines.ts";
import { makeTlsPlace } from "../listeners/tls-place.ts";
import {
  bearer,
  cookieOf,
  decision,
  HELD,
  type HttpPlace,
  type HttpPlaceOptions,
  openHttpPlace,
  type Reply,
  sendRaw,
  signIn,
} from "../support/http-place.ts";

const places: HttpPlace[] = [];
async function open(options?: HttpPlaceOptions): Promise<HttpPlace> {
  const place = await openHttpPlace(options);
  places.push(place);
  return place;
}
afterEach(async () => {
  for (const place of places.splice(0)) await place.close();
});

const LIST = "/api/v1/doubtful";
const detailOf = ({ body }: Reply): string => (JSON.parse(body) as { detail: string }).detail;

describe("a visitor on loopback", () => {
  test("sees masked addresses, no Message-ID and no place of an upstream", async () => {
    const { ask } = await open();
    const listed = await ask(LIST);
    expect(listed.status).toBe(200);
    const { messageId: _, lastUpstream: __, ...entry } = HELD;
    expect(JSON.parse(listed.body)).toEqual({
      doubtful: [{ ...entry, recipient: "p…@example.net" }],
      total: 1,
    });
    const pause = { by: "upstream", since: "2026-11-27T10:00:00.000Z" };
    const upstreams = [{ name: "main", state: "failing", pause }];
    expect(JSON.parse((await ask("/api/v1/upstreams")).body)).toEqual({ upstreams });
    const status = await ask("/api/v1/status");
    expect(JSON.parse(status.body)).toMatchObject({
      upstreams,
      troubles: [{ text: "main has taken nothing", upstream: "main" }],
    });
    expect(status.body).not.toMatch(/reply|Correct|smtp/);
  });

  test("decides nothing", async () => {
    const { ask, decided } = await open();
    const refused = await ask(LIST, decision({}));
    expect(refused.status).toBe(401);
    expect(refused.headers["www-authenticate"]).toBe("Bearer");
    expect(refused.headers["content-type"]).toBe("application/problem+json");
    expect(JSON.parse(refused.body)).toMatchObject({ status: 401, title: "A token is needed" });
    expect(decided).toEqual([]);
  });

  test("is none where there is a tokens file: only health and sign-in are open", async () => {
    const { ask } = await open({ withTokens: true });
    for (const path of [LIST, "/api/v1/upstreams"]) expect((await ask(path)).status).toBe(401);
    for (const path of ["/healthz", "/readyz", "/login"]) expect((await ask(path)).status).toBe(200);
  });
});

describe("a name of a stranger that leads here", () => {
  test.each(["rebound.example", "127.0.0.1.rebound.example", "localhost.rebound.example:2580", "127.1"])(
    "Host: %s",
    async (host) => {
      const { ask } = await open();
      for (const path of [LIST, "/healthz", "/login", "/nothing"]) {
        const { status, body } = await ask(path, { headers: { Host: host } });
        expect([path, status]).toEqual([path, 421]);
        expect(body).not.toContain("example.net");
      }
    },
  );

  test.each(["localhost", "LOCALHOST:2580", "127.0.0.1:1", "[::1]:2580", "192.0.2.1", "gateway.example"])(
    "%s is none",
    async (host) => {
      const { ask } = await open({ settings: { HTTP_HOSTS: "Gateway.example" } });
      expect((await ask(LIST, { headers: { Host: host } })).status).toBe(200);
    },
  );
});

test("a Host that is none is refused; without one, as in HTTP/1.0, no browser has sent it", async () => {
  const { port } = await open();
  const statusOf = async (request: string): Promise<string> =>
    (await sendRaw(port, `${request}\r\n\r\n`)).slice(9, 12);
  for (const host of ["[::1", "a b", "evil.example@127.0.0.1", "127.0.0.1/evil"]) {
    expect([host, await statusOf(`GET ${LIST} HTTP/1.1\r\nConnection: close\r\nHost: ${host}`)]).toEqual([
      host,
      expect.stringMatching(/^4(00|21)$/),
    ]);
  }
  expect(await statusOf(`GET ${LIST} HTTP/1.1\r\nConnection: close`)).toBe("400");
  const two = "Host: localhost\r\nHost: evil.example";
  expect(await statusOf(`GET ${LIST} HTTP/1.1\r\nConnection: close\r\n${two}`)).toMatch(/^4/);
  expect(await statusOf("GET /healthz HTTP/1.0")).toBe("200");
  // The name in an absolute target counts for nothing, and neither does one beside it.
  expect(await statusOf("GET http://localhost/healthz HTTP/1.0\r\nHost: evil.example")).toBe("421");
});

describe("a page of another origin", () => {
  /** With the cookie of somebody who may operate. */
  async function withSession() {
    const place = await open({ withTokens: true });
    const token = await place.addToken("ann", "operate");
    const cookie = cookieOf(await place.ask("/login", signIn(place.port, token)));
    const host = `localhost:${place.port}`;
    return { ...place, token, session: { Cookie: cookie, Host: host }, own: `http://${host}` };
  }

  test("decides nothing with the cookie of an operator", async () => {
    const { ask, decided, session, own, port } = await withSession();
    const strangers = [
      { Origin: "http://evil.example" },
      { Origin: "null" },
      { Origin: `http://127.0.0.1:${port}` },
      { Origin: `http://localhost:${port - 1}` },
      { Origin: `${own}.evil.example` },
      { Origin: `http://evil.example/${own}` },
      { Origin: own, "Sec-Fetch-Site": "cross-site" },
      { Origin: own, "Sec-Fetch-Site": "same-site" },
      // No browser leaves it out.
      {},
    ];
    for (const stranger of strangers) {
      const { status } = await ask(LIST, decision({ ...session, ...stranger }));
      expect([stranger, status]).toEqual([stranger, 403]);
    }
    expect(decided).toEqual([]);
    expect((await ask(LIST, decision({ ...session, Origin: own }))).status).toBe(200);
    expect(decided).toEqual(["relayed  ann"]);
  });

  test("signs nobody in, and its wrong tokens block nobody", async () => {
    const { ask, port, token, logged } = await withSession();
    const { headers, ...form } = signIn(port, token);
    const foreign = { ...form, headers: { ...headers, Origin: "http://evil.example" } };
    for (let round = 0; round < 12; round++) expect((await ask("/login", foreign)).status).toBe(403);
    expect(logged.filter(([event]) => event === "http.blocked")).toEqual([]);
    expect((await ask("/login", signIn(port, token))).status).toBe(303);
  });

  test("reads nothing: no reply allows another origin, and none may be in a frame", async () => {
    const { ask, session } = await withSession();
    for (const path of [LIST, "/", "/login", "/nothing"]) {
      const { headers } = await ask(path, { headers: { ...session, Origin: "http://evil.example" } });
      expect(headers).not.toHaveProperty("access-control-allow-origin");
      expect(headers).toMatchObject({
        "content-security-policy": expect.stringMatching(/^default-src 'self';.*frame-ancestors 'none'/),
        "cross-origin-resource-policy": "same-origin",
        "x-content-type-options": "nosniff",
        "referrer-policy": "same-origin",
        "cache-control": "no-store",
      });
    }
  });

  test("a form can't decide: its content types are refused", async () => {
    const { ask, token, decided } = await withSession();
    for (const type of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const asked = decision({ ...bearer(token), "Content-Type": type });
      expect((await ask(LIST, asked)).status).toBe(415);
    }
    expect(decided).toEqual([]);
  });

  test("a change by GET does not exist", async () => {
    const { ask, session } = await withSession();
    const found = await ask("/logout", { headers: session });
    expect([found.status, found.headers.allow]).toEqual([405, "POST"]);
    expect((await ask(LIST, { headers: session })).status).toBe(200);
  });
});

describe("a token", () => {
  test("with the role read sees all and decides nothing; operate decides, and the log has its name", async () => {
    const { ask, addToken, decided } = await open({ withTokens: true });
    const [read, operate] = [await addToken("scraper", "read"), await addToken("ann", "operate")];
    for (const token of [read, operate]) {
      expect(JSON.parse((await ask(LIST, { headers: bearer(token) })).body)).toEqual({
        doubtful: [HELD],
        total: 1,
      });
    }
    const refused = await ask(LIST, decision(bearer(read)));
    expect([refused.status, detailOf(refused)]).toEqual([403, "the role of scraper does not allow this"]);
    expect(decided).toEqual([]);
    expect((await ask(LIST, decision(bearer(operate)))).status).toBe(200);
    expect(decided).toEqual(["relayed  ann"]);
  });

  test("that is removed counts no more, nor the sessions that began with it", async () => {
    const { ask, addToken, tokensFile, http, port } = await open({ withTokens: true });
    const token = await addToken("ann", "operate");
    const session = { Cookie: cookieOf(await ask("/login", signIn(port, token))) };
    expect((await ask(LIST, { headers: session })).status).toBe(200);
    await dropLine(tokensFile, parseTokens, "ann");
    await http.reload();
    expect((await ask(LIST, { headers: session })).status).toBe(401);
  });

  test("whose file changes to one with a fault stays as it was", async () => {
    const { ask, addToken, tokensFile, http, logged } = await open({ withTokens: true });
    const token = await addToken("ann", "operate");
    writeFileSync(tokensFile, `${readFileSync(tokensFile, "utf8")}bob:admin:secret-token\n`);
    await http.reload();
    expect((await ask(LIST, { headers: bearer(token) })).status).toBe(200);
    const [, fields] = logged.find(([event]) => event === "tokens.reload_failed") ?? [];
    expect(fields?.error).toMatch(/line 3: the role is neither/);
    expect(JSON.stringify(logged)).not.toContain("secret-token");
  });
});

describe("a guesser", () => {
  /** Lets the late answers go, until all have come. */
  async function answered<T>({ clock }: HttpPlace, asked: readonly Promise<T>[]): Promise<T[]> {
    let done = false;
    const all = Promise.all(asked).finally(() => {
      done = true;
    });
    while (!done) {
      clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    return await all;
  }

  test("is answered late, then not at all; a session that has begun goes on", async () => {
    const place = await open({ withTokens: true });
    const { ask, addToken, port, logged } = place;
    const token = await addToken("ann", "operate");
    const session = { Cookie: cookieOf(await ask("/login", signIn(port, token))) };
    const guess = (number: number) => ask(LIST, { headers: bearer(`mailonce_${number}`) });
    for (let number = 0; number < 10; number++) {
      const [reply] = await answered(place, [guess(number)]);
      expect(reply?.status).toBe(401);
    }
    // Right or wrong, no token is looked at, here nor on the page.
    expect((await guess(11)).status).toBe(429);
    expect((await ask(LIST, { headers: bearer(token) })).status).toBe(429);
    expect((await ask("/login", signIn(port, token))).status).toBe(429);
    expect(logged.filter(([event]) => event === "http.blocked")).toHaveLength(1);
    expect((await ask(LIST, { headers: session })).status).toBe(200);
    expect((await ask("/readyz")).status).toBe(200);
  });

  test("holds 32 connections at most with wrong tokens", async () => {
    const place = await open({ withTokens: true, settings: { ACCESS_AUTH_FAILURES_MAX: 1000 } });
    const waiting: Promise<Reply>[] = [];
    const atOnce: number[] = [];
    for (let number = 0; number < 40; number++) {
      waiting.push(
        place.ask(LIST, { headers: bearer(`wrong-${number}`) }).then((reply) => {
          if (place.clock.now() === began) atOnce.push(reply.status);
          return reply;
        }),
      );
    }
    const began = place.clock.now();
    // Time stands: only those answers come that wait for nothing.
    while (atOnce.length < 8) await new Promise((resolve) => setImmediate(resolve));
    expect(atOnce).toEqual(Array(8).fill(429));
    const all = await answered(place, waiting);
    expect(all.filter(({ status }) => status === 401)).toHaveLength(32);
  });
});

describe("a session", () => {
  test("is a cookie that no script and no other site gets, and ends after 12 hours", async () => {
    const { ask, addToken, port, clock } = await open({ withTokens: true });
    const reply = await ask("/login", signIn(port, await addToken("ann", "read")));
    expect([reply.status, reply.headers.location]).toEqual([303, "/"]);
    const [name, ...value] = (reply.headers["set-cookie"]?.[0] ?? "").split("=");
    expect(name).toBe(`mailonce-${port}`);
    expect(value.join("=")).toMatch(/^[\w-]{43}; Path=\/; Max-Age=43200; HttpOnly; SameSite=Strict$/);
    const session = { Cookie: `other=1; ${cookieOf(reply)}` };
    expect((await ask("/", { headers: session })).body).toContain("ann (read)");
    clock.advance(12 * 60 * 60_000 - 1);
    expect((await ask(LIST, { headers: session })).status).toBe(200);
    clock.advance(1);
    expect((await ask(LIST, { headers: session })).status).toBe(401);
  });

  test("ends when its browser signs out", async () => {
    const { ask, addToken, port } = await open({ withTokens: true });
    const signed = signIn(port, await addToken("ann", "read"));
    const session = { ...signed.headers, Cookie: cookieOf(await ask("/login", signed)) };
    const out = await ask("/logout", { method: "POST", headers: session });
    expect(out.headers["set-cookie"]?.[0]).toMatch(/^mailonce-\d+=; Path=\/; Max-Age=0;/);
    expect((await ask(LIST, { headers: session })).status).toBe(401);
  });

  test("at one gateway is beside that at another on the same host, and each is signed out of alone", async () => {
    const [one, two] = [await open({ withTokens: true }), await open({ withTokens: true })];
    /** As a browser keeps them: by host and name. */
    const jar = new Map<string, string>();
    const send = async ({ ask, port }: HttpPlace, path: string, token = ""): Promise<void> => {
      const form = signIn(port, token);
      const headers = { ...form.headers, Cookie: [...jar.values()].join("; ") };
      const cookie = cookieOf(await ask(path, { ...form, headers }));
      jar.set(cookie.split("=")[0] ?? "", cookie);
    };
    const seen = async ({ ask }: HttpPlace): Promise<number> =>
      (await ask(LIST, { headers: { Cookie: [...jar.values()].join("; ") } })).status;
    await send(one, "/login", await one.addToken("ann", "read"));
    await send(two, "/login", await two.addToken("ben", "read"));
    expect([await seen(one), await seen(two)]).toEqual([200, 200]);
    await send(two, "/logout");
    expect([await seen(one), await seen(two)]).toEqual([200, 401]);
  });

  test("under TLS is bound to this host, and a cookie without the prefix is none", async () => {
    const files = makeTlsPlace();
    try {
      const { ask, addToken, port } = await open({
        withTokens: true,
        settings: {
          HTTP_TLS_CERT_FILE: files.path("server.pem"),
          HTTP_TLS_KEY_FILE: files.path("server-key.pem"),
        },
      });
      const reply = await ask("/login", signIn(port, await addToken("ann", "read"), "https"));
      expect(reply.headers["set-cookie"]?.[0]).toMatch(
        /^__Host-mailonce-\d+=[\w-]{43}; Path=\/; .*; Secure$/,
      );
      const cookie = cookieOf(reply);
      expect((await ask(LIST, { headers: { Cookie: cookie } })).status).toBe(200);
      const plain = cookie.replace("__Host-", "");
      expect((await ask(LIST, { headers: { Cookie: plain } })).status).toBe(401);
    } finally {
      files.remove();
    }
  });
});

describe("the URL of the terminal", () => {
  const tokenIn = ({ http }: HttpPlace): string =>
    new URL(http.signInUrl() ?? "").searchParams.get("token") ?? "";

  test("signs in once; a look at it uses nothing up", async () => {
    const place = await open();
    const { ask, port, http } = place;
    const url = new URL(http.signInUrl() ?? "");
    expect(url.host).toBe(http.address);
    const token = url.searchParams.get("token") ?? "";
    for (let round = 0; round < 3; round++) {
      expect((await ask(url.pathname + url.search)).body).toContain(`value="${token}"`);
    }
    const reply = await ask("/login", signIn(port, token));
    expect(reply.status).toBe(303);
    const headers = { ...signIn(port, "").headers, Cookie: cookieOf(reply) };
    expect((await ask(LIST, decision({ ...headers, "Content-Type": "application/json" }))).status).toBe(200);
    place.clock.advance(10_000);
    const again = ask("/login", signIn(port, token));
    while (place.clock.untilNext() === undefined) await new Promise((resolve) => setImmediate(resolve));
    place.clock.advance(10_000);
    expect((await again).status).toBe(401);
  });

  test("is good for ten minutes", async () => {
    const place = await open({ settings: { ACCESS_AUTH_FAILURES_MAX: 1 } });
    const [early, late] = [tokenIn(place), tokenIn(place)];
    place.clock.advance(10 * 60_000 - 1);
    expect((await place.ask("/login", signIn(place.port, early))).status).toBe(303);
    place.clock.advance(1);
    const asked = place.ask("/login", signIn(place.port, late));
    let status: number | undefined;
    void asked.then((reply) => {
      status = reply.status;
    });
    while (status === undefined) {
      place.clock.advance(1_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(status).toBe(401);
  });

  test("shows a token of a stranger as text", async () => {
    const { ask } = await open();
    const { body } = await ask(`/login?token=${encodeURIComponent('"><script>alert(1)</script>')}`);
    expect(body).not.toContain("<script>");
    expect(body).toContain("&lt;script&gt;");
  });
});
