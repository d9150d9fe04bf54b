// What a valid configuration may not mean is said; what it surely means is not.
import { describe, expect, test } from "vitest";
import { type Config, loadConfig } from "../../src/config/config.ts";
import { envidOf, warningsOf } from "../../src/config/warnings.ts";

const base = loadConfig({ environment: {} });
const withUsers = (users: Config["users"], namespace = ""): Config => ({
  ...base,
  users,
  identity: { ...base.identity, namespace },
  access: { ...base.access, users_file: "users" },
});

test("nothing of the defaults", () => {
  expect(warningsOf(base)).toEqual([]);
});

test.each([
  ["true", "uuid", 1],
  ["false", "off", 1],
  ["uuid", "uuid", 0],
  ["any", "any", 0],
  ["off", "off", 0],
])("envid %s is %s", (given, policy, warnings) => {
  const config = loadConfig({ environment: { MAILONCE_IDENTITY_ENVID: given } });
  expect(envidOf(config)).toBe(policy);
  expect(warningsOf(config).map(({ key }) => key)).toEqual(Array(warnings).fill("identity.envid"));
});

test("another word for it is a fault", () => {
  expect(() => loadConfig({ environment: { MAILONCE_IDENTITY_ENVID: "always" } })).toThrow(
    /"uuid", "any" or "off"/,
  );
});

test("a setting that is gone is accepted, and named with its place", () => {
  const config = loadConfig({ environment: { MAILONCE_UPSTREAM_SES_WORKERS: "2" } });
  const backup = { ...config.upstream, ses: { ...config.upstream.ses, workers: 0 } };
  const warnings = warningsOf({ ...config, upstreams: { backup } });
  expect(warnings.map(({ key }) => key)).toEqual(["upstream.ses.workers", "upstreams.backup.ses.workers"]);
});

test("a wait for events that is shorter than they may be hidden is warned of, where events are read", () => {
  const environment = { MAILONCE_UPSTREAM_KIND: "ses", MAILONCE_UPSTREAM_SES_EVENTS_WAIT: "119s" };
  const MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL = "https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce";
  const warned = (more: Record<string, string>) =>
    warningsOf(loadConfig({ environment: { ...environment, ...more } })).map(({ key }) => key);
  expect(warned({})).toEqual([]);
  expect(warned({ MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL })).toEqual(["upstream.ses.events.wait"]);
  const enough = { MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL, MAILONCE_UPSTREAM_SES_EVENTS_WAIT: "2m" };
  expect(warned(enough)).toEqual([]);
});

test.each([
  ["ses", []],
  ["smtp", ["upstream.ses.events.queue_url"]],
  ["maildir", ["upstream.ses.events.queue_url"]],
])("a queue of events that an upstream of the kind %s does not read", (kind, keys) => {
  const environment = {
    MAILONCE_UPSTREAM_KIND: kind,
    MAILONCE_UPSTREAM_SMTP_HOST: "email-smtp.eu-west-1.amazonaws.com",
    MAILONCE_UPSTREAM_SES_EVENTS_QUEUE_URL: "https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce",
  };
  expect(warningsOf(loadConfig({ environment })).map(({ key }) => key)).toEqual(keys);
});

describe("a namespace of several users", () => {
  test.each<[string, Config, string[]]>([
    ["each has their own", withUsers({ a: {}, b: {}, c: { namespace: "d" } }), []],
    ["two name the same", withUsers({ a: { namespace: "x" }, b: { namespace: "x" } }), ["users.b.namespace"]],
    ["one names the other's", withUsers({ a: {}, b: { namespace: "a" } }), ["users.b.namespace"]],
    ["two name none", withUsers({ a: { namespace: "" }, b: { namespace: "" } }), ["users.b.namespace"]],
    ["one for all", withUsers({}, "all"), ["identity.namespace"]],
    ["one for all, and others", withUsers({ a: { namespace: "x" }, b: {} }, "all"), ["identity.namespace"]],
    ["nobody authenticates", { ...base, identity: { ...base.identity, namespace: "all" } }, []],
  ])("%s", (_, config, keys) => {
    expect(warningsOf(config).map(({ key }) => key)).toEqual(keys);
  });

  test("one names that of a user who is in the users file only", () => {
    const config = withUsers({ a: { namespace: "bob" } });
    expect(warningsOf(config, ["a", "carol"])).toEqual([]);
    expect(warningsOf(config, ["a", "bob", "carol"])).toMatchObject([
      { key: "users.a.namespace", warning: expect.stringContaining("bob, a") },
    ]);
  });
});
