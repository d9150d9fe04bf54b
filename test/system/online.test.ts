// `check-config --online`: a line for each check, with what to do where something is wrong; nothing is sent.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "vitest";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt, test } from "../support/place.ts";
import { type Run, run, type Settings } from "../support/process.ts";

const check = (settings: Settings): Promise<Run> => run(["check-config", "--online"], settings);

const onlineIn = ({ stdout }: Run): string[] =>
  stdout.split("\n").filter((line) => line.startsWith("online: "));
const faultsIn = ({ stderr }: Run): string[] =>
  stderr.split("\n").filter((line) => line.startsWith("mailonce: "));

/** One SES and one SMTP server, each with a route of its own. */
async function twoUpstreams(place: Place, identities: readonly string[]) {
  const [ses, smtp] = [await place.ses({ identities }), await place.smtp()];
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(
    file,
    [
      ...[`[upstreams.ses]`, `kind = "ses"`, `ses.endpoint = "${ses.endpoint}"`],
      ...["[upstreams.relay]", 'kind = "smtp"', 'smtp.host = "127.0.0.1"'],
      ...[`smtp.port = ${smtp.port}`, 'smtp.tls = "none"'],
      ...["[[routes]]", 'domains = ["shop.example", "news.example"]', 'upstreams = ["ses"]'],
      ...["[[routes]]", 'upstreams = ["relay"]', "[notices]", 'from = "postmaster@shop.example"'],
    ].join("\n"),
  );
  return { ses, smtp, settings: { CONFIG: file, DATA_DIR: place.data } };
}

test("each upstream, each sender and the ledger: all is well", async ({ place }) => {
  const { ses, smtp, settings } = await twoUpstreams(place, ["shop.example", "news.example"]);
  const result = await check(settings);
  expect([result.code, faultsIn(result)]).toEqual([0, []]);
  expect(onlineIn(result)).toEqual([
    expect.stringMatching(/^online: ses: ses http.*: eu-west-1, 14 a second/),
    `online: relay: smtp 127.0.0.1:${smtp.port}: answers`,
    "online: ledger: embedded, so there is nobody to ask",
  ]);
  expect([ses.calls(), smtp.taken]).toEqual([0, []]);
});

test("a domain that has a route to SES, and that SES has not verified", async ({ place }) => {
  const { ses, settings } = await twoUpstreams(place, ["shop.example"]);
  const result = await check(settings);
  expect([result.code, faultsIn(result)]).toEqual([
    1,
    [
      `mailonce: ses: ses ${ses.endpoint}: SES has not verified news.example, and would refuse mail from there: verify the domain in SES`,
    ],
  ]);
});

test("what is wrong comes with what to do: a port, a password, a database", async ({ place }) => {
  const port = await freePort();
  const ledger = { LEDGER_KIND: "postgres", LEDGER_POSTGRES_URL: `postgres://me@127.0.0.1:${port}/mailonce` };
  const away = await check({ DATA_DIR: place.data, ...smtpAt(port), ...ledger });
  expect(away.code).toBe(1);
  expect(faultsIn(away)).toEqual([
    `mailonce: upstream: smtp 127.0.0.1:${port}: connect ECONNREFUSED 127.0.0.1:${port}. Start the server, and test again; or correct upstream.smtp.host and port and test again`,
    expect.stringMatching(
      /^mailonce: ledger: postgres: .*ECONNREFUSED.*\. Correct \[ledger\.postgres\], or start it$/,
    ),
  ]);
  const upstream = await place.smtp({ auth: { username: "relay", password: "right" } });
  const wrong = await check({
    ...{ DATA_DIR: place.data, ...smtpAt(upstream.port) },
    ...{ UPSTREAM_SMTP_USERNAME: "relay", UPSTREAM_SMTP_PASSWORD: "wrong" },
  });
  expect(faultsIn(wrong)).toEqual([
    expect.stringMatching(/: 535 5\.7\.8 .*\. Correct upstream\.smtp\.username or password and test again$/),
  ]);
});
