// DynamoDB for tests: dynalite, which speaks its protocol, behind an HTTP server that adds what dynalite lacks
// (the item with a refused condition, TTL) and fails as a network and a busy DynamoDB do.
import { once } from "node:events";
import { createServer, request, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";

type Json = Record<string, unknown>;

/**
 * - throttled: refused as too much, nothing done.
 * - broken: 500, nothing done.
 * - denied: no rights.
 * - expired: the credentials are no longer good.
 * - cut: the connection ends before anything was done.
 * - unheard: it takes effect, and the connection ends instead of an answer.
 * - silent: it takes effect, and no answer comes.
 * - slow: it takes effect, and the answer comes only when `deliver` is called.
 * - late: it takes effect only when `deliver` is called; the connection ends at once.
 * - partial: of a BatchGetItem only the first key is answered.
 */
export type DynamodbFault =
  | "throttled"
  | "broken"
  | "denied"
  | "expired"
  | "cut"
  | "unheard"
  | "silent"
  | "slow"
  | "late"
  | "partial";

export interface TestDynamodb {
  readonly endpoint: string;
  /** dynalite itself: what gives no item back with a refused condition, and knows no TTL. */
  readonly plainEndpoint: string;
  /** The most requests that were under way at once so far. */
  readonly peak: number;
  /** What the SDK needs in the environment. */
  readonly environment: Readonly<Record<string, string>>;
  /** @param operations "PutItem" and so on; all when left out. @param times for ever when left out */
  fail(fault: DynamodbFault, operations?: readonly string[], times?: number): void;
  mend(): void;
  /** Requests of an operation so far, those that failed included. */
  requests(operation: string): number;
  /** The access key of the last request. */
  readonly accessKey: string | undefined;
  /** The requests that were late take effect now, and answers that were slow arrive. */
  deliver(): Promise<void>;
  /** As DynamoDB's TTL does: removes what has expired. Returns how many. */
  removeExpired(table: string, now: number): Promise<number>;
  items(table: string): Promise<Json[]>;
  /** A request that no gateway makes. */
  ask(operation: string, body: Json): Promise<Json>;
  stop(): Promise<void>;
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

interface Asked {
  readonly operation: string;
  readonly headers: NodeJS.Dict<string | string[]>;
  readonly body: Json;
}

const dynalite = createRequire(import.meta.url)("dynalite") as (options: Json) => Server;
const PREFIX = "DynamoDB_20120810.";
/** dynalite asks for the form of a signature, and checks none. */
const SIGNED = {
  authorization:
    "AWS4-HMAC-SHA256 Credential=k/20260101/r/dynamodb/aws4_request, SignedHeaders=a, Signature=b",
  "x-amz-date": "20260101T000000Z",
  "content-type": "application/x-amz-json-1.0",
};

export async function startDynamodb(): Promise<TestDynamodb> {
  const inner = dynalite({ createTableMs: 0 });
  inner.listen(0, "127.0.0.1");
  await once(inner, "listening");
  const innerPort = (inner.address() as AddressInfo).port;
  const counts = new Map<string, number>();
  const timesToLive = new Map<string, string>();
  const locks = new Map<string, Promise<unknown>>();
  let faults: { fault: DynamodbFault; operations: readonly string[] | undefined; left: number }[] = [];
  let late: (() => Promise<unknown>)[] = [];
  let underWay = 0;
  let peak = 0;
  let accessKey: string | undefined;

  async function forward({ operation, headers, body }: Asked): Promise<Answer> {
    const text = JSON.stringify(body);
    const sent = request({
      host: "127.0.0.1",
      port: innerPort,
      method: "POST",
      headers: {
        ...headers,
        host: "127.0.0.1",
        "x-amz-target": PREFIX + operation,
        "content-length": Buffer.byteLength(text),
      },
    });
    sent.end(text);
    const [response] = await once(sent, "response");
    const chunks: Buffer[] = [];
    for await (const chunk of response) chunks.push(chunk);
    return { status: response.statusCode, body: Buffer.concat(chunks).toString() };
  }

  /** One write of an item at a time, so that a refusal comes with the very item that was in the way. */
  async function apply(asked: Asked): Promise<Answer> {
    const { operation, body } = asked;
    const key = (body.Key ?? (body.Item as Json | undefined)) as Json | undefined;
    const lock = JSON.stringify([body.TableName, key?.id]);
    const before = locks.get(lock);
    const work = (async () => {
      await before;
      if (operation === "UpdateTimeToLive") return setTimeToLive(body);
      if (operation === "DescribeTimeToLive") return await timeToLive(asked);
      const answer = await forward(asked);
      if (answer.status === 200 || !answer.body.includes("ConditionalCheckFailedException")) return answer;
      if (body.ReturnValuesOnConditionCheckFailure !== "ALL_OLD") return answer;
      const got = await forward({
        ...asked,
        operation: "GetItem",
        body: { TableName: body.TableName, Key: { id: key?.id }, ConsistentRead: true },
      });
      return { ...answer, body: JSON.stringify({ ...JSON.parse(answer.body), ...JSON.parse(got.body) }) };
    })();
    const settled = work.catch(() => {});
    locks.set(lock, settled);
    void settled.then(() => {
      if (locks.get(lock) === settled) locks.delete(lock);
    });
    return await work;
  }

  function setTimeToLive(body: Json): Answer {
    const asked = body.TimeToLiveSpecification as { AttributeName: string };
    if (timesToLive.has(String(body.TableName))) {
      return refusal("com.amazon.coral.validate#ValidationException", "TimeToLive is already enabled");
    }
    timesToLive.set(String(body.TableName), asked.AttributeName);
    return { status: 200, body: JSON.stringify({ TimeToLiveSpecification: asked }) };
  }

  async function timeToLive(asked: Asked): Promise<Answer> {
    const answer = await forward(asked);
    const AttributeName = timesToLive.get(String(asked.body.TableName));
    if (answer.status !== 200 || AttributeName === undefined) return answer;
    const TimeToLiveDescription = { TimeToLiveStatus: "ENABLED", AttributeName };
    return { status: 200, body: JSON.stringify({ TimeToLiveDescription }) };
  }

  async function serve(asked: Asked, response: ServerResponse): Promise<void> {
    const { operation } = asked;
    accessKey = /Credential=(\w+)/.exec(String(asked.headers.authorization))?.[1];
    counts.set(operation, (counts.get(operation) ?? 0) + 1);
    const struck = faults.find(({ operations }) => operations?.includes(operation) ?? true);
    if (struck !== undefined && --struck.left <= 0) faults = faults.filter((one) => one !== struck);
    switch (struck?.fault) {
      case undefined:
        return reply(response, await apply(asked));
      case "throttled":
        return reply(
          response,
          refusal("com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "too much"),
        );
      case "broken":
        return reply(response, { status: 500, body: '{"__type":"InternalServerError"}' });
      case "denied":
        return reply(
          response,
          refusal(
            "com.amazon.coral.service#AccessDeniedException",
            `not authorized to perform: ${operation}`,
          ),
        );
      case "expired":
        return reply(
          response,
          refusal("com.amazon.coral.service#ExpiredTokenException", "The security token is expired"),
        );
      case "cut":
        return void response.destroy();
      case "unheard":
        await apply(asked);
        return void response.destroy();
      case "silent":
        await apply(asked);
        return;
      case "late":
        late.push(() => apply(asked));
        return void response.destroy();
      case "slow": {
        const answer = await apply(asked);
        late.push(async () => reply(response, answer));
        return;
      }
      case "partial": {
        const [table, { Keys, ...rest }] = Object.entries(
          asked.body.RequestItems as Record<string, { Keys: unknown[] }>,
        )[0] as [string, { Keys: unknown[] }];
        const RequestItems = { [table]: { ...rest, Keys: Keys.slice(0, 1) } };
        const answer = await apply({ ...asked, body: { ...asked.body, RequestItems } });
        const UnprocessedKeys = Keys.length > 1 ? { [table]: { ...rest, Keys: Keys.slice(1) } } : {};
        return reply(response, {
          ...answer,
          body: JSON.stringify({ ...JSON.parse(answer.body), UnprocessedKeys }),
        });
      }
    }
  }

  const front = createServer((incoming, response) => {
    const chunks: Buffer[] = [];
    incoming.on("data", (chunk: Buffer) => chunks.push(chunk));
    incoming.on("end", () => {
      const operation = String(incoming.headers["x-amz-target"]).slice(PREFIX.length);
      const { connection: _, "content-length": __, ...headers } = incoming.headers;
      peak = Math.max(peak, ++underWay);
      response.on("close", () => underWay--);
      void serve({ operation, headers, body: JSON.parse(Buffer.concat(chunks).toString()) }, response);
    });
  }).listen(0, "127.0.0.1");
  await once(front, "listening");

  async function ask(operation: string, body: Json): Promise<Json> {
    const answer = await apply({ operation, headers: SIGNED, body });
    if (answer.status !== 200) throw new Error(`${operation}: ${answer.body}`);
    return JSON.parse(answer.body);
  }

  async function items(TableName: string): Promise<Json[]> {
    return (await ask("Scan", { TableName, ConsistentRead: true })).Items as Json[];
  }

  return {
    endpoint: `http://127.0.0.1:${(front.address() as AddressInfo).port}`,
    plainEndpoint: `http://127.0.0.1:${innerPort}`,
    get accessKey() {
      return accessKey;
    },
    get peak() {
      return peak;
    },
    environment: {
      AWS_ACCESS_KEY_ID: "AKIAEXAMPLE",
      AWS_SECRET_ACCESS_KEY: "secret",
      AWS_REGION: "eu-west-1",
    },
    fail: (fault, operations, times = Number.POSITIVE_INFINITY) =>
      void faults.push({ fault, operations, left: times }),
    mend() {
      faults = [];
    },
    requests: (operation) => counts.get(operation) ?? 0,
    async deliver() {
      const due = late;
      late = [];
      for (const effect of due) await effect();
    },
    async removeExpired(TableName, now) {
      const attribute = timesToLive.get(TableName) ?? "";
      const expired = (await items(TableName)).filter((item) => {
        const at = (item[attribute] as { N?: string } | undefined)?.N;
        return at !== undefined && Number(at) < now / 1000;
      });
      for (const { id } of expired) await ask("DeleteItem", { TableName, Key: { id } });
      return expired.length;
    },
    items,
    ask,
    async stop() {
      for (const server of [front, inner]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}

const refusal = (type: string, message: string): Answer => ({
  status: 400,
  body: JSON.stringify({ __type: type, message }),
});

function reply(response: ServerResponse, { status, body }: Answer): void {
  response.writeHead(status, { "content-type": "application/x-amz-json-1.0" }).end(body);
}
