// Several upstreams in the configuration: all that contradicts itself is said at once, with its place.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ConfigError, loadConfig } from "../../src/config/config.ts";
import { routesOf, viewsOf } from "../../src/config/routes.ts";
import { temporaryFolder } from "../support/storage.ts";

async function load(text: string, environment: Record<string, string> = {}) {
  const file = join(await temporaryFolder(), "mailonce.toml");
  writeFileSync(file, text);
  try {
    return { config: loadConfig({ file, environment }), faults: [] };
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return { config: undefined, faults: error.faults.map((fault) => fault.replace(`${file}: `, "")) };
  }
}

const two = '[upstreams.a]\nkind = "ses"\n[upstreams.b]\nkind = "maildir"\n';

test("every contradiction, at once", async () => {
  const { faults } = await load(
    `[upstream]\nkind = "ses"\nmemory_max_bytes = 1000000\n${two}
[upstreams.c]
kind = "smtp"
smtp.username = "me"
[[routes]]
domains = ["one.example", "ONE.example"]
upstreams = ["a", "x", "a"]
[[routes]]
domains = ["one.example"]
by = "reverse-path"
upstreams = ["c"]
`,
    { MAILONCE_UPSTREAM_CONCURRENCY: "5" },
  );
  expect(faults).toEqual([
    "upstream.kind: belongs into [upstreams.NAME] where there are several",
    "MAILONCE_UPSTREAM_CONCURRENCY: belongs into [upstreams.NAME] where there are several",
    'upstreams.c.smtp.host: needed when upstreams.c.kind is "smtp"',
    "upstreams.c.smtp.password: username and password go together",
    'routes.0.upstreams.1: no upstream is named "x"',
    'routes.0.upstreams.2: "a" is in the list already',
    "routes.0.domains.1: one.example has a route by from already",
    "routes: one without domains is needed, for all other mail; there are 0",
    "upstreams.b: no route leads there",
  ]);
});

test("wrong values and unknown keys, each with its place", async () => {
  const { faults } = await load(
    `${two}colour = "red"\n[[routes]]\ndomains = ["no domain"]\nby = "to"\nupstreams = []\nrate = 1\n`,
  );
  expect(faults).toEqual([
    "upstreams.b.colour: no such key",
    "routes.0.domains.0: expected a domain",
    'routes.0.by: Invalid option: expected one of "from"|"reverse-path"',
    "routes.0.upstreams: must name an upstream",
    "routes.0.rate: no such key",
  ]);
});

const QUEUE = "https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce";

test("a wait for SES's events that is as long as the mail's life", async () => {
  const events = (kind: string, wait: string) =>
    `[spool]\nlifetime = "1h"\n[upstream]\nkind = "${kind}"\nses.events = { queue_url = "${QUEUE}", wait = "${wait}" }\n`;
  expect((await load(events("ses", "60m"))).faults).toEqual([
    "upstream.ses.events.wait: must be shorter than spool.lifetime, or mail in doubt would be given up before ledger.doubtful decides",
  ]);
  expect((await load(events("ses", "59m"))).faults).toEqual([]);
  expect((await load(events("maildir", "60m"))).faults).toEqual([]);
  const named = two.replace('"ses"\n', `"ses"\nses.events = { queue_url = "${QUEUE}", wait = "3d" }\n`);
  expect((await load(`${named}[[routes]]\nupstreams = ["a", "b"]\n`)).faults).toEqual([
    expect.stringMatching(/^upstreams\.a\.ses\.events\.wait: must be shorter than spool\.lifetime/),
  ]);
});

test.each([
  "mailonce",
  "arn:aws:sqs:eu-west-1:111122223333:mailonce",
  "https://sqs.eu-west-1.amazonaws.com/mailonce",
])("%s is no URL of a queue", async (url) => {
  const text = `[upstream]\nkind = "ses"\nses.events.queue_url = "${url}"\n`;
  expect((await load(text)).faults.join()).toMatch(/^upstream\.ses\.events\.queue_url: /);
});

test("routes without upstreams to go by; two for all other mail", async () => {
  expect((await load('[[routes]]\nupstreams = ["a"]\n')).faults).toEqual([
    "routes: there are no [upstreams] to go by",
  ]);
  const twice = '[[routes]]\nupstreams = ["a"]\n[[routes]]\nupstreams = ["b"]\n';
  expect((await load(two + twice)).faults).toEqual([
    "routes: one without domains is needed, for all other mail; there are 2",
  ]);
});

test("one upstream is a route for all mail", async () => {
  const { config } = await load('[upstream]\nkind = "ses"\n');
  if (config === undefined) throw new Error("not loaded");
  expect(routesOf(config)).toEqual([{ by: "from", upstreams: ["upstream"] }]);
  expect(viewsOf(config)).toEqual([{ name: "upstream", place: "upstream", config }]);
});

test("each of several looks like the only one to what makes it", async () => {
  const { config } = await load(`data_dir = "d"\n${two}[[routes]]\nupstreams = ["a", "b"]\n`);
  if (config === undefined) throw new Error("not loaded");
  const views = viewsOf(config).map(({ name, place, config: { upstream } }) => [name, place, upstream.kind]);
  expect(views).toEqual([
    ["a", "upstreams.a", "ses"],
    ["b", "upstreams.b", "maildir"],
  ]);
  expect(viewsOf(config)[1]?.config.upstream.maildir.path).toBe(join("d", "outbox-b"));
});
