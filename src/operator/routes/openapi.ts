// What the API takes and answers, as an OpenAPI document that is made from the routes and their schemas.
import { z } from "zod";
import type { Route, RouteAbout } from "../http/route.ts";
import { json } from "../http/route.ts";

/** The version of the API, which is in the paths. */
const VERSION = "1";

type Schema = Readonly<Record<string, unknown>>;

export interface OpenApi {
  readonly openapi: string;
  readonly info: Schema;
  readonly paths: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  readonly components: Schema;
}

/** @param routes all others */
export function openApiRoute(routes: readonly Route[]): Route {
  let document: OpenApi | undefined;
  const route: Route = {
    ...{ method: "GET", path: "/api/v1/openapi.json", needs: "visitor" },
    about: { summary: "This document" },
    answer() {
      document ??= openApiOf([...routes, route]);
      return json(document);
    },
  };
  return route;
}

export function openApiOf(routes: readonly Route[]): OpenApi {
  const paths: Record<string, Record<string, unknown>> = {};
  for (const route of routes) {
    const path = route.path.replace(/:([A-Za-z]+)/g, "{$1}");
    paths[path] = { ...paths[path], [route.method.toLowerCase()]: operationOf(route) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "mailonce",
      version: VERSION,
      description:
        "The state of one gateway, and decisions about it. Readers ignore members that they do not know. On loopback " +
        "without a tokens file no token is needed to read; addresses are masked then.",
    },
    paths,
    components: {
      securitySchemes: { token: { type: "http", scheme: "bearer" } },
      schemas: { Problem: PROBLEM },
    },
  };
}

/** RFC 9457. */
const PROBLEM: Schema = {
  type: "object",
  properties: { status: { type: "integer" }, title: { type: "string" }, detail: { type: "string" } },
  required: ["status", "title", "detail"],
};

/** What each role may do, in the words of the tokens file; a visitor has no token. */
const SECURITY = {
  nobody: [],
  visitor: [{}, { token: [] }],
  read: [{ token: ["read"] }],
  operate: [{ token: ["operate"] }],
} as const;

function operationOf({ method, path, needs, about }: Route): Schema {
  const { summary = "", body, answer, contentType } = about ?? {};
  const parameters = [...parametersOfPath(path), ...parametersOfQuery(about)];
  const ok =
    contentType === undefined ? jsonContent(answer && schemaOf(answer, "output")) : { [contentType]: {} };
  return {
    ...{ summary, operationId: idOf(method, path), security: SECURITY[needs] },
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: jsonContent(schemaOf(body, "input")) } }),
    responses: {
      200: { description: summary, content: ok },
      default: {
        description: "A problem",
        content: { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } },
      },
    },
  };
}

const idOf = (method: string, path: string): string =>
  [
    method.toLowerCase(),
    ...path.split(/[^A-Za-z0-9]+/).filter((part) => !["", "api", "v1"].includes(part)),
  ].join("_");

const jsonContent = (schema: Schema = {}): Schema => ({ "application/json": { schema } });

const parametersOfPath = (path: string): Schema[] =>
  [...path.matchAll(/:([A-Za-z]+)/g)].map(([, name]) => ({
    ...{ name, in: "path", required: true, schema: { type: "string" } },
  }));

function parametersOfQuery({ query }: Partial<RouteAbout> = {}): Schema[] {
  if (query === undefined) return [];
  const { properties = {}, required = [] } = schemaOf(query, "input") as {
    properties?: Readonly<Record<string, Schema>>;
    required?: readonly string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    ...{ name, in: "query", required: required.includes(name), schema },
  }));
}

/** As it is sent, or as it is answered. */
function schemaOf(schema: z.ZodType, io: "input" | "output"): Schema {
  const { $schema: _, ...made } = z.toJSONSchema(schema, { io, unrepresentable: "any" });
  return made;
}
