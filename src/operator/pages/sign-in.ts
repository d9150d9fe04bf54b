// The pages on which a browser turns a token into a session. They work without script.
import { z } from "zod";
import type { Log } from "../../runtime/log.ts";
import type { TokenCheck } from "../http/door.ts";
import type { Answer, Asked, Problem, Route } from "../http/route.ts";
import { cookieIn, cookieWith, type Sessions } from "../http/sessions.ts";
import { formOf } from "./form.ts";
import { framed } from "./frame.ts";
import { type Html, html } from "./html.ts";

const loginFields = z.object({ token: z.string().trim().default("") });

/** @param check of tokens of the file and of those that serve once */
export function signInRoutes(check: TokenCheck, sessions: Sessions, log: Pick<Log, "info">): Route[] {
  const login = async (asked: Asked): Promise<Answer> => {
    const form = await formOf(asked, loginFields);
    if (!form.ok) return form.answer;
    const found = await check(form.value.token, asked.address);
    if ("kind" in found) return refusedPage(asked, found);
    const { name, role } = found;
    const cookie = sessions.begin({ name, role }, () => found.valid());
    log.info("http.signed_in", { by: name, role, address: asked.address });
    return { kind: "redirect", to: "/", cookie: cookieWith(cookie, asked) };
  };

  const logout = (asked: Asked): Answer => {
    const cookie = cookieIn(asked);
    if (cookie !== undefined) sessions.end(cookie);
    return { kind: "redirect", to: "/login", cookie: cookieWith("", asked) };
  };

  return [
    {
      ...{ method: "GET", path: "/login", needs: "nobody" },
      // A look at the URL, by a program that shows what is behind links, must not use the token up: a person does.
      answer: (asked) => signInPage(asked, 200, loginForm(asked.query("token"))),
    },
    { method: "POST", path: "/login", needs: "nobody", answer: login },
    { method: "POST", path: "/logout", needs: "nobody", answer: logout },
  ];
}

const signInPage = (asked: Asked, status: number, content: Html): Promise<Answer> =>
  framed(
    { title: "Sign in", status },
    { asker: asked.asker, hasOutbox: false },
    html`<h1>Sign in</h1>
${content}
<p>A token is made with <code>mailonce token add</code>. A start in a terminal prints a URL that signs in once.</p>`,
  );

const refusedPage = (asked: Asked, { status, detail }: Problem): Promise<Answer> =>
  signInPage(asked, status, html`<p role="alert">${detail}</p>${loginForm()}`);

const loginForm = (token?: string): Html =>
  html`<form class="login" method="post" action="/login">${
    token === undefined
      ? html`<label>Token <input type="password" name="token" autocomplete="off" required autofocus></label>`
      : html`<input type="hidden" name="token" value="${token}">`
  } <button>Sign in</button></form>`;
