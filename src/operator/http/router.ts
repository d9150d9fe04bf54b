// The routes as one function from a request to a response: limits and header fields that hold for all of them, then the
// door, then the route. hono is imported here and nowhere else.
import { Readable } from "node:stream";
import { type Context, Hono, type MiddlewareHandler } from "hono";
import { accepts } from "hono/accepts";
import { bodyLimit } from "hono/body-limit";
import { secureHeaders } from "hono/secure-headers";
import type { Log } from "../../runtime/log.ts";
import type { Door, Knock } from "./door.ts";
import type { Peer } from "./node-listener.ts";
import {
  type Answer,
  type Asked,
  internalError,
  PROBLEM_TYPE,
  type Problem,
  problem,
  problemBody,
  type Route,
} from "./route.ts";

/** A decision is a few words, a form has a token. */
export const BODY_MAX = 64 * 1024;

/** Pages load nothing from elsewhere, and nobody may put them into a frame. */
const HEADERS: Parameters<typeof secureHeaders>[0] = {
  contentSecurityPolicy: {
    defaultSrc: ["'self'"],
    baseUri: ["'none'"],
    formAction: ["'self'"],
    frameAncestors: ["'none'"],
    objectSrc: ["'none'"],
  },
  crossOriginOpenerPolicy: "same-origin",
  crossOriginResourcePolicy: "same-origin",
  // With "no-referrer" browsers send `Origin: null` with a form, which the door can't tell from a stranger's.
  referrerPolicy: "same-origin",
  xFrameOptions: "DENY",
  // The gateway may be asked without TLS on loopback, under the same name.
  strictTransportSecurity: false,
};

/**
 * For what strangers have written. The sandbox gives it an origin of its own, so that nothing in it runs, is sent, or reads what
 * is ours; and no picture tells its sender who looks at it.
 */
const FOREIGN =
  "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; " +
  "frame-ancestors 'self'";

interface Environment {
  Bindings: Peer;
  Variables: { asked: Asked; isForeign?: boolean };
}

type Fetch = (request: Request, peer: Peer) => Response | Promise<Response>;

/** @param door decides who asks @param problemPage says to a browser that there is nothing at a path; it gets JSON unless given */
export function createRouter(
  routes: readonly Route[],
  door: Door,
  log: Pick<Log, "error">,
  problemPage?: Route["problem"],
): Fetch {
  const app = new Hono<Environment>({ strict: true });
  app.use(async (context, next) => {
    await next();
    if (context.get("isForeign") !== true) return;
    context.res.headers.set("Content-Security-Policy", FOREIGN);
    context.res.headers.set("X-Frame-Options", "SAMEORIGIN");
  });
  app.use(secureHeaders(HEADERS));
  app.use(async (context, next) => {
    await next();
    // What an operator sees is for them alone, and for now.
    context.res.headers.set("Cache-Control", "no-store");
  });
  // Behind the door: whoever may not ask is answered before they have sent a body.
  const limit = bodyLimit({ maxSize: BODY_MAX, onError: () => responseOf(tooLarge) });
  for (const route of routes) {
    const enter: MiddlewareHandler<Environment> = async (context, next) => {
      const asked = askedOf(context);
      const opened = await door(knockOf(context, asked), route.needs);
      if ("kind" in opened) return responseOf(await said(route, opened, { ...asked, asker: NOBODY }));
      context.set("asked", { ...asked, asker: opened });
      return await next();
    };
    app.on(route.method, route.path, enter, route.method === "GET" ? unread : limit, async (context) => {
      const asked = context.get("asked");
      const found = await route.answer(asked);
      const answer = found.kind === "problem" ? await said(route, found, asked) : found;
      if (answer.kind === "foreign") context.set("isForeign", true);
      // Nobody would read it, or end it.
      if (answer.kind === "stream" && context.req.method === "HEAD") {
        await answer.stream.cancel();
        return new Response(null, { headers: { "Content-Type": answer.contentType } });
      }
      if (answer.kind === "octets" && context.req.method === "HEAD") {
        readableOf(answer.octets).destroy();
        return new Response(null, { headers: OCTETS });
      }
      return responseOf(answer);
    });
  }
  app.notFound(async (context) => {
    // The host is looked at here too: what exists is nobody's business who came by another name.
    const asked = askedOf(context);
    const opened = await door(knockOf(context, asked), "nobody");
    if ("kind" in opened) return responseOf(opened);
    const { pathname } = new URL(context.req.url);
    const allowed = routes.filter(({ path }) => isAt(path, context.req.path)).map(({ method }) => method);
    const lost =
      allowed.length === 0
        ? problem(404, `there is nothing at ${pathname}`)
        : problem(405, `${pathname} takes ${allowed.join(", ")}`, { Allow: allowed.join(", ") });
    if (pathname.startsWith("/api/") || !isBrowser(context)) return responseOf(lost);
    const said = (await problemPage?.(lost, { ...asked, asker: opened })) ?? lost;
    const response = responseOf(said);
    for (const [name, value] of Object.entries(lost.headers ?? {})) response.headers.set(name, value);
    return response;
  });
  app.onError((error) => {
    log.error("http.failed", { error: String(error) });
    return responseOf(internalError);
  });
  return (request, peer) => app.fetch(request, peer);
}

/** Whatever comes with a GET is not read; to look for it costs more than most answers. */
const unread: MiddlewareHandler<Environment> = (_, next) => next();

/** The problem as who asks can read it. */
const said = async (route: Route, problem: Problem, asked: Asked): Promise<Answer> =>
  (await route.problem?.(problem, asked)) ?? problem;

const JSON_TYPE = "application/json";

/** Whether who asks would rather have a page than JSON. */
const isBrowser = (context: Context): boolean =>
  accepts(context, { header: "Accept", supports: [JSON_TYPE, "text/html"], default: JSON_TYPE }) !==
  JSON_TYPE;

const NOBODY = { name: "nobody", role: "visitor" } as const;

/** Whether this is a path of the route. */
function isAt(route: string, path: string): boolean {
  const [wanted, parts] = [route.split("/"), path.split("/")];
  return (
    wanted.length === parts.length &&
    wanted.every((part, at) => part === parts[at] || (part.startsWith(":") && parts[at] !== ""))
  );
}

const tooLarge = problem(413, `a body has at most ${BODY_MAX} octets`);

const askedOf = ({ req, env }: Context<Environment>): Omit<Asked, "asker"> => ({
  ...{ address: env.address, isTls: env.isTls },
  header: (name) => req.header(name),
  param: (name) => req.param(name),
  query: (name) => req.query(name),
  queries: () => req.query(),
  text: () => req.text(),
});

const knockOf = ({ req }: Context, asked: Omit<Asked, "asker">): Knock => ({
  ...asked,
  isChange: req.method !== "GET" && req.method !== "HEAD",
});

const OCTETS = { "Content-Type": "application/octet-stream", "Content-Disposition": "attachment" };

/** Destroyed, it ends what the octets come from. */
const readableOf = (octets: AsyncIterable<Uint8Array>): Readable =>
  octets instanceof Readable ? octets : Readable.from(octets);

function responseOf(answer: Answer): Response {
  switch (answer.kind) {
    case "json":
      return Response.json(answer.body, { status: answer.status ?? 200 });
    case "foreign":
      return new Response(answer.html, { headers: { "Content-Type": "text/html; charset=utf-8" } });
    case "page":
      return new Response(answer.html, {
        status: answer.status ?? 200,
        headers: { "Content-Type": "text/html; charset=utf-8" },
      });
    case "text":
      return new Response(answer.text, { headers: { "Content-Type": answer.contentType } });
    case "octets":
      return new Response(Readable.toWeb(readableOf(answer.octets)) as ReadableStream, { headers: OCTETS });
    case "stream":
      return new Response(answer.stream, { headers: { "Content-Type": answer.contentType } });
    case "redirect": {
      const cookie: Record<string, string> =
        answer.cookie === undefined ? {} : { "Set-Cookie": answer.cookie };
      return new Response(null, { status: 303, headers: { Location: answer.to, ...cookie } });
    }
    case "problem": {
      const { status, headers } = answer;
      return Response.json(problemBody(answer), {
        status,
        headers: { ...headers, "Content-Type": PROBLEM_TYPE },
      });
    }
  }
}
