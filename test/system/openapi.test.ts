// The description of the API: made from the routes, whole, and what a gateway answers is what it says.
import { randomUUID } from "node:crypto";
import { expect, test as plainTest } from "vitest";
import { z } from "zod";
import { askGateway } from "../../src/operator/http/client.ts";
import type { OpenApi } from "../../src/operator/routes/openapi.ts";
import { apiRoutes } from "../../src/operator/routes/routes.ts";
import { smtpAt, test } from "../support/place.ts";
import { run } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

/** Patterns are to be read with the flag u (JSON Schema 2020-12 §6.4), which zod does not do. */
const readerOf = (schema: object): z.ZodType =>
  z.fromJSONSchema(
    JSON.parse(JSON.stringify(schema), (key, value) =>
      key === "pattern" && String(value).includes("\\p{") ? undefined : value,
    ),
  );

const routes = apiRoutes({ phase: () => "starting", parts: () => undefined }, () => 0);

interface Operation {
  readonly operationId: string;
  readonly summary: string;
  readonly parameters?: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema: object }>> };
  readonly responses: Readonly<
    Record<string, { readonly content: Readonly<Record<string, { schema?: object }>> }>
  >;
}

const operationsIn = ({ paths }: OpenApi): [path: string, method: string, operation: Operation][] =>
  Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, one]): [string, string, Operation] => [
      path,
      method,
      one as Operation,
    ]),
  );

async function documentOf(data: string): Promise<OpenApi> {
  const { status, body } = await askGateway(data, "GET", "/api/v1/openapi.json");
  expect(status).toBe(200);
  return body as OpenApi;
}

plainTest("every route of the API says what it takes and answers", () => {
  const silent = routes.filter(({ about }) => about === undefined || about.summary === "");
  expect(silent.map(({ path }) => path)).toEqual([]);
  const changes = routes.filter(({ method }) => method === "POST");
  expect(changes.filter(({ about }) => about?.body === undefined).map(({ path }) => path)).toEqual([]);
});

test("it has every route once, with its parameters, and schemas that can be read", async ({ place }) => {
  await place.start();
  const document = await documentOf(place.data);
  expect(document.openapi).toBe("3.1.0");
  const operations = operationsIn(document);
  expect(operations.map(([path, method]) => `${method.toUpperCase()} ${path}`).sort()).toEqual(
    routes.map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, "{$1}")}`).sort(),
  );
  const ids = operations.map(([, , { operationId }]) => operationId);
  expect(new Set(ids).size).toBe(ids.length);
  for (const [path, , { parameters = [], requestBody, responses }] of operations) {
    const named = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name);
    expect(parameters.filter((one) => one.in === "path").map(({ name }) => name)).toEqual(named);
    const contents = [requestBody?.content, ...Object.values(responses).map(({ content }) => content)];
    const schemas = [
      ...parameters.map(({ schema }) => schema),
      ...contents.flatMap((content) => Object.values(content ?? {}).flatMap(({ schema }) => schema ?? [])),
    ].filter((schema) => !("$ref" in schema));
    for (const schema of schemas) expect(() => readerOf(schema), path).not.toThrow();
  }
  // The one reference that there is.
  expect(
    JSON.stringify(document.paths)
      .match(/"\$ref":"([^"]+)"/g)
      ?.every((ref) => ref.includes("Problem")),
  ).toBe(true);
  expect(document.components).toMatchObject({ schemas: { Problem: { type: "object" } } });
});

test("what a gateway answers is what it says, and what it is asked by too", async ({ place }) => {
  const upstream = await place.smtp({ script: "drop-before-reply" });
  const settings = {
    DATA_DIR: place.data,
    LEDGER_DOUBTFUL: "hold",
    LOG_ADDRESSES: "true",
    ...smtpAt(upstream.port),
  };
  const gateway = await place.start(settings);
  const [first, second] = [randomUUID(), randomUUID()];
  await submitMail(gateway.port, { to: ["one@example.net"], content: taskMail(first) });
  await gateway.logged("transmission.doubtful");
  await run(["pause"], settings);
  await submitMail(gateway.port, { to: ["two@example.net"], content: taskMail(second) });
  const document = await documentOf(place.data);

  const ask = async (
    method: "GET" | "POST",
    path: string,
    body?: object,
  ): Promise<Record<string, unknown>> => {
    const [plain = ""] = path.split("?");
    const described = Object.entries(document.paths).find(([one]) =>
      new RegExp(`^${one.replace(/\{\w+\}/g, "[^/]+")}$`).test(plain),
    )?.[1][method.toLowerCase()] as Operation;
    if (body !== undefined) {
      readerOf(described.requestBody?.content["application/json"]?.schema as object).parse(body);
    }
    const reply = await askGateway(place.data, method, path, body);
    expect(reply.status, `${path} ${JSON.stringify(reply.body)}`).toBe(200);
    const schema = described.responses[200]?.content["application/json"]?.schema as object;
    expect(Object.keys(schema), path).not.toEqual([]);
    const read = readerOf(schema).safeParse(reply.body);
    expect(read.success ? "" : `${path} ${JSON.stringify(reply.body)} ${read.error.message}`).toBe("");
    return reply.body as Record<string, unknown>;
  };

  for (const path of ["/healthz", "/readyz", "/api/v1/status", "/api/v1/upstreams"]) await ask("GET", path);
  const { doubtful } = (await ask("GET", "/api/v1/doubtful")) as { doubtful: { id: string }[] };
  const id = String(doubtful[0]?.id);
  await ask("GET", "/api/v1/queue?limit=1");
  await ask("GET", "/api/v1/queue/counts");
  const { queue } = (await ask("GET", "/api/v1/queue?state=due")) as { queue: { id: string }[] };
  const due = String(queue[0]?.id);
  await ask("GET", `/api/v1/queue/mail?name=${due}`);
  await ask("GET", `/api/v1/mails/${id}`);
  await ask("GET", `/api/v1/mails?task=${first}&to=one@example.net`);
  for (const order of ["hold", "release", "retry"])
    await ask("POST", `/api/v1/queue/${order}`, { ids: [due] });
  await ask("POST", "/api/v1/evidence", { id: due, source: "mailgun", fate: { kind: "sent" } });
  await ask("POST", "/api/v1/doubtful", { id, decision: "relayed", reason: "asked" });
  await ask("POST", "/api/v1/forget", { id });
  await ask("POST", "/api/v1/queue/bounce", { ids: [due], reason: "no such person" });
  await ask("POST", "/api/v1/pause", { for: "30m", reason: "a move" });
  await ask("POST", "/api/v1/resume", {});
  await ask("POST", "/api/v1/drain", {});
});
