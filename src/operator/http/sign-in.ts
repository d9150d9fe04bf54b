// The pages on which a browser turns a token into a session. They work without script, and what they show is escaped.
import type { Log } from "../../runtime/log.ts";
import type { TokenCheck } from "./door.ts";
import { type Answer, type Asked, type Problem, problem, type Route } from "./route.ts";
import { cookieIn, cookieWith, type Sessions } from "./sessions.ts";

/** @param check of tokens of the file and of those that serve once */
export function signInRoutes(check: TokenCheck, sessions: Sessions, log: Pick<Log, "info">): Route[] {
  const login = async (asked: Asked): Promise<Answer> => {
    if (!/^application\/x-www-form-urlencoded\s*(;|$)/i.test(asked.header("content-type") ?? "")) {
      return problem(415, "send application/x-www-form-urlencoded");
    }
    const token = new URLSearchParams(await asked.text()).get("token")?.trim() ?? "";
    const found = await check(token, asked.address);
    if ("kind" in found) return refusedPage(found);
    const { name, role } = found;
    const cookie = sessions.begin({ name, role }, () => found.valid());
    log.info("http.signed_in", { by: name, role, address: asked.address });
    return { kind: "redirect", to: "/", cookie: cookieWith(cookie, asked.isTls) };
  };

  const logout = ({ header, isTls }: Asked): Answer => {
    const cookie = cookieIn(header("cookie"), isTls);
    if (cookie !== undefined) sessions.end(cookie);
    return { kind: "redirect", to: "/login", cookie: cookieWith("", isTls) };
  };

  return [
    {
      ...{ method: "GET", path: "/login", needs: "nobody" },
      // A look at the URL, by a program that shows what is behind links, must not use the token up: a person does.
      answer: ({ query }) => page(200, loginForm(query("token"))),
    },
    { method: "POST", path: "/login", needs: "nobody", answer: login },
    { method: "POST", path: "/logout", needs: "nobody", answer: logout },
    {
      ...{ method: "GET", path: "/", needs: "nobody" },
      answer: ({ asker }) => page(200, asker.role === "visitor" ? VISITOR : signedIn(asker.name, asker.role)),
    },
  ];
}

const refusedPage = ({ status, detail }: Problem): Answer =>
  page(status, `<p>${escaped(detail)}</p>${loginForm()}`);

const loginForm = (token?: string): string =>
  `<form method="post" action="/login">${
    token === undefined
      ? '<label>Token <input type="password" name="token" autocomplete="off" required autofocus></label> '
      : `<input type="hidden" name="token" value="${escaped(token)}">`
  }<button>Sign in</button></form>`;

const LINKS =
  '<ul><li><a href="/api/v1/doubtful">Doubtful mails</a></li>' +
  '<li><a href="/api/v1/upstreams">Upstreams</a></li><li><a href="/readyz">Ready?</a></li></ul>';

const VISITOR = `<p><a href="/login">Sign in</a></p>${LINKS}`;

const signedIn = (name: string, role: string): string =>
  `<p>Signed in as ${escaped(name)} (${role}).</p>${LINKS}` +
  '<form method="post" action="/logout"><button>Sign out</button></form>';

const page = (status: number, content: string): Answer => ({
  kind: "page",
  status,
  html: `<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mailonce</title></head><body><h1>mailonce</h1>${content}</body></html>\n`,
});

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

const escaped = (text: string): string => text.replace(/[&<>"']/g, (one) => ENTITIES[one] ?? one);
