// Evidence over HTTP at gateways that share a ledger: any of them takes it, whichever holds the mail.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect } from "vitest";
import { askGateway, gatewayDesk } from "../../src/operator/http/client.ts";
import { smtpAt } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import { proxyTo } from "../support/postgres.ts";
import { run } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

test("one that can't reach the ledger keeps nothing; another settles it; the holder takes its mail out", async ({
  place,
  postgres,
  schema,
}) => {
  const upstream = await place.smtp({ script: "drop-before-reply" });
  const proxy = await proxyTo(postgres);
  place.atEnd(() => proxy.close());
  const throughProxy = new URL(schema.url);
  throughProxy.port = String(proxy.port);
  const ledger = { LEDGER_KIND: "postgres", LEDGER_DOUBTFUL: "hold" };
  expect((await run(["ledger", "migrate"], { ...ledger, LEDGER_POSTGRES_URL: schema.url })).code).toBe(0);
  const folder = (name: string): string => join(place.folder, name);
  const start = (name: string, url: string) =>
    place.start({
      ...{ DATA_DIR: folder(name), ...ledger, LEDGER_POSTGRES_URL: url, ...smtpAt(upstream.port) },
    });
  const holder = await start("holder", schema.url);
  const other = await start("other", schema.url);
  const away = await start("away", throughProxy.href);

  const mail = { to: ["user@example.com"], content: taskMail(randomUUID()) };
  expect(await submitMail(holder.port, mail)).toContain("queued as");
  await holder.logged("transmission.doubtful");
  const messageId = upstream.taken[0]?.messageId;
  const send = (name: string) =>
    askGateway(folder(name), "POST", "/api/v1/evidence", { messageId, source: "mailgun" });

  await proxy.close();
  expect(await send("away")).toMatchObject({ status: 503, body: { why: "away" } });
  expect(await gatewayDesk(folder("holder")).list()).toHaveLength(1);

  expect(await send("other")).toMatchObject({ status: 200, body: { taken: "settled" } });
  expect(await send("holder")).toMatchObject({ status: 200, body: { taken: "known" } });
  expect(await submitMail(other.port, mail)).toContain("repeat of");
  // Which looks up what it holds in doubt.
  await holder.logged("evidence.settled");
  expect(holder.said("evidence.settled")).toMatchObject([{ source: "another gateway" }]);
  expect(await gatewayDesk(folder("holder")).list()).toEqual([]);
  expect(upstream.taken).toHaveLength(1);
  await away.kill();
});
