// What a route is: a method and a path, who may ask, and how it is answered. The routes are a list, so that the router
// and a description of the API come from the same lines.
import type { z } from "zod";
import type { Role } from "../../access/tokens-lines.ts";

/** Who asks. A visitor has no token: they see states and counts, and addresses only masked. */
export interface Asker {
  /** Of the token, for the log. */
  readonly name: string;
  readonly role: Role | "visitor";
}

export interface Asked {
  readonly asker: Asker;
  /** Of the client; empty on the Unix socket. */
  readonly address: string;
  readonly isTls: boolean;
  /** The value of a header field. */
  header(name: string): string | undefined;
  /** A part of the path, which the route's path names ":name". */
  param(name: string): string | undefined;
  /** A parameter of the query. */
  query(name: string): string | undefined;
  /** All of them. */
  queries(): Readonly<Record<string, string>>;
  /** The body, whose size is limited, as text. */
  text(): Promise<string>;
}

export type Answer =
  | {
      readonly kind: "json";
      readonly body: unknown;
      readonly status?: number;
    }
  | {
      readonly kind: "page";
      /** HTML whose values are escaped. */
      readonly html: string;
      readonly status?: number;
    }
  /** HTML of a stranger, for a frame of a page: nothing in it runs, and nothing is loaded for it. */
  | { readonly kind: "foreign"; readonly html: string }
  | { readonly kind: "text"; readonly text: string; readonly contentType: string }
  /** Goes on until either side ends it. */
  | { readonly kind: "stream"; readonly stream: ReadableStream<Uint8Array>; readonly contentType: string }
  /** As they are: a browser shows or runs none of it. */
  | { readonly kind: "octets"; readonly octets: AsyncIterable<Uint8Array> }
  /** To another page, with a cookie. */
  | { readonly kind: "redirect"; readonly to: string; readonly cookie?: string }
  | Problem;

/** RFC 9457. */
export interface Problem {
  readonly kind: "problem";
  readonly status: number;
  /** What kind of problem it is, the same each time. */
  readonly title: string;
  /** What happened this time, and what helps. */
  readonly detail: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Members beside those of every problem. */
  readonly more?: Readonly<Record<string, unknown>>;
}

/** What the description of the API says of a route; see ../routes/openapi.ts. */
export interface RouteAbout {
  /** What is answered, in a few words. */
  readonly summary: string;
  readonly query?: z.ZodType;
  readonly body?: z.ZodType;
  /** Of the JSON in a good answer. */
  readonly answer?: z.ZodType;
  /** Where that is no JSON. */
  readonly contentType?: string;
}

export interface Route {
  readonly method: "GET" | "POST";
  /** A part that begins with a colon stands for anything. */
  readonly path: string;
  /** "nobody": no token is asked for, anywhere. "visitor": nor on a loopback address without a tokens file. */
  readonly needs: "nobody" | Asker["role"];
  /** Pages for a browser have none. */
  readonly about?: RouteAbout;
  /** How a problem is said where JSON would be read by nobody: a page for a browser. */
  readonly problem?: (problem: Problem, asked: Asked) => Answer | Promise<Answer>;
  answer(asked: Asked): Answer | Promise<Answer>;
}

export const json = (body: unknown, status = 200): Answer => ({ kind: "json", body, status });

const TITLES = {
  400: "Bad request",
  401: "A token is needed",
  403: "Not allowed",
  404: "Not found",
  405: "Method not allowed",
  409: "Not possible now",
  413: "Too large",
  415: "Unsupported media type",
  421: "Unknown host name",
  429: "Too many wrong tokens",
  500: "Internal error",
  503: "Not ready",
} as const;

export const problem = (
  status: keyof typeof TITLES,
  detail: string,
  headers?: Readonly<Record<string, string>>,
): Problem => ({
  ...{ kind: "problem", status, title: TITLES[status], detail },
  ...(headers === undefined ? {} : { headers }),
});

export const PROBLEM_TYPE = "application/problem+json";

/** RFC 9457. "about:blank" is meant when `type` is left out: the status says what it is. */
export const problemBody = ({ status, title, detail, more }: Problem): object => ({
  ...{ status, title, detail },
  ...more,
});

/** A fault of the gateway's own. */
export const internalError = problem(500, "the log of the gateway has the reason");

/** The same where no answer could be made any more. */
export const FAILED = { type: PROBLEM_TYPE, body: JSON.stringify(problemBody(internalError)) };
