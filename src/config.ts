// The configuration: one schema for the TOML file and the environment. Everything that is wrong is
// reported at once, each fault with its place; what is not understood is refused, never ignored.
import { readFileSync } from "node:fs";
import { isIPv4 } from "node:net";
import { hostname } from "node:os";
import { join } from "node:path";
import { parse, TomlError } from "smol-toml";
import { z } from "zod";
import { type PlaceOf, routingFaults } from "./config-routes.ts";
import { canonicalDomain } from "./identity/domain.ts";
import { canonicalNamespace } from "./identity/task.ts";

const UNIT_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** "30d", "2h", "90s", "250ms" → milliseconds. A bare number would leave its unit to a guess. */
const duration = z
  .string()
  .regex(/^\d{1,9}(ms|s|m|h|d)$/, 'expected a duration such as "30d", "2h", "90s" or "250ms"')
  .transform((text) => {
    const [, amount, unit] = /^(\d+)([a-z]+)$/.exec(text) as unknown as [
      string,
      string,
      keyof typeof UNIT_MS,
    ];
    return Number(amount) * UNIT_MS[unit];
  })
  .refine((ms) => ms > 0, "must be longer than nothing");

/** RFC 5322 §3.6.8 field-name. */
const fieldName = z
  .string()
  .regex(/^[\x21-\x39\x3b-\x7e]{1,76}$/, "expected the name of a header field, such as X-Task-Id");

const text = z.string().min(1, "must not be empty");
const port = z.int().min(1).max(65_535);
const count = z.int().min(1);
/** In the form that identity gives it, so that the gateway and `mailonce id` agree. */
const namespace = z.string().transform((value, context) => {
  const canonical = canonicalNamespace(value);
  if (canonical.ok) return canonical.namespace;
  context.addIssue({ code: "custom", message: canonical.fault });
  return z.NEVER;
});

const MEBIBYTE = 1024 * 1024;

/** One upstream. */
const upstreamKeys = {
  kind: z.enum(["maildir", "smtp", "ses"]).default("maildir"),
  concurrency: count.max(1_000).default(20),
  /** Transmissions a second; no limit when left out. */
  rate_per_second: z.number().positive().optional(),
  smtp: z
    .strictObject({
      host: text.optional(),
      port: port.default(587),
      username: text.optional(),
      password: text.optional(),
      tls: z.enum(["required", "opportunistic", "implicit", "none"]).default("required"),
      /** PEM, in place of the authorities that Node.js knows. */
      ca_file: text.optional(),
      /** Makes a server keep Message-ID that otherwise replaces it: "X-PM-KeepID" of Postmark. */
      keep_id_field: fieldName.optional(),
    })
    .prefault({}),
  ses: z
    .strictObject({
      region: text.optional(),
      endpoint: z.url({ protocol: /^https?$/ }).optional(),
      configuration_set: text.optional(),
      from_email_address_identity_arn: text
        .regex(/^arn:[^\s]+$/, "expected the ARN of an identity")
        .optional(),
    })
    .prefault({}),
  maildir: z.strictObject({ path: text.optional() }).prefault({}),
};

/** In the form that the domain of a sender has. */
const domain = z.string().transform((value, context) => {
  const canonical = canonicalDomain(value);
  if (canonical !== undefined) return canonical;
  context.addIssue({ code: "custom", message: "expected a domain" });
  return z.NEVER;
});

const route = z.strictObject({
  /** Left out in the route of all other mail. */
  domains: z.array(domain).min(1, "must name a domain").optional(),
  by: z.enum(["from", "reverse-path"]).default("from"),
  upstreams: z.array(text).min(1, "must name an upstream"),
});

const schema = z.strictObject({
  data_dir: text.default("data"),
  /** In EHLO, Received and the fallback for the right side of Message-ID. */
  hostname: text
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, "expected a host name")
    .default(() => hostname()),
  smtp: z
    .strictObject({
      /** LMTP answers for each recipient. */
      protocol: z.enum(["smtp", "lmtp"]).default("smtp"),
      host: text.default("127.0.0.1"),
      /** 0 takes any free port; the log says which. */
      port: z.int().min(0).max(65_535).default(2525),
      /** 40 MiB, of which no common mailer writes more; less where the upstream takes less. */
      size_max_bytes: count.default(40 * MEBIBYTE),
      /** Several times what any mailer writes; the header is held in memory. */
      header_max_bytes: count.default(256 * 1024),
      /** RFC 5321 §4.5.3.1.8 asks for 100 at least. */
      recipients_max: count.default(1_000),
      connections_max: count.default(1_000),
      /** When 250 is said: once the mail is durable, or once the upstream has taken it. */
      reply: z.enum(["queued", "relayed"]).default("queued"),
    })
    .prefault({}),
  identity: z
    .strictObject({
      headers: z
        .array(fieldName)
        .default(["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"]),
      part_header: fieldName.default("X-Task-Part"),
      envid: z.boolean().default(true),
      namespace: namespace.default(""),
      unkeyed: z.enum(["relay", "reject", "fingerprint"]).default("relay"),
      /** How long the same content without a task id counts as a repeat. */
      fingerprint_window: duration.prefault("10m"),
      secret: z.string().default(""),
      conflict: z.enum(["reject", "drop"]).default("reject"),
    })
    .prefault({}),
  ledger: z
    .strictObject({
      kind: z.enum(["embedded"]).default("embedded"),
      retention: duration.prefault("30d"),
      doubtful: z.enum(["resend", "hold", "drop"]).default("resend"),
    })
    .prefault({}),
  spool: z
    .strictObject({
      lifetime: duration.prefault("2d"),
      /** The wait after a first transient refusal; it doubles up to `retry_max`. */
      retry_min: duration.prefault("5s"),
      retry_max: duration.prefault("15m"),
      /** No warning of a delay when left out. */
      delay_warning: duration.optional(),
    })
    .prefault({}),
  upstream: z
    .strictObject({
      ...upstreamKeys,
      /**
       * What attempts under way may hold of contents. With what the process needs besides it stays below
       * 512 MiB, and the largest mail that SES takes fits in twice.
       */
      memory_max_bytes: count.default(256 * MEBIBYTE),
    })
    .prefault({}),
  /** Several, by name, instead of the one above. */
  upstreams: z
    .record(
      z.string().regex(/^[A-Za-z0-9_-]{1,32}$/, "a name has 1 to 32 letters, digits, _ and -"),
      z.strictObject(upstreamKeys).prefault({}),
    )
    .default({}),
  routes: z.array(route).default([]),
  log: z
    .strictObject({
      level: z.enum(["debug", "info", "warn", "error", "silent"]).default("info"),
      /** Left out: pretty on a terminal, json elsewhere. */
      format: z.enum(["pretty", "json"]).optional(),
      /** Addresses of senders and recipients in log lines. */
      addresses: z.boolean().default(false),
    })
    .prefault({}),
});

export type Config = z.output<typeof schema>;
export type UpstreamConfig = Config["upstreams"][string];

/** All that is wrong with a configuration; `faults` are whole lines, each with its place. */
export class ConfigError extends Error {
  override readonly name = "ConfigError";
  readonly faults: readonly string[];

  constructor(faults: readonly string[]) {
    super(faults.join("\n"));
    this.faults = faults;
  }
}

type Tree = { [key: string]: unknown };

/** Every key of the schema: its path, and how a string from the environment becomes its value. */
interface Leaf {
  readonly path: readonly string[];
  readonly fromText: (text: string) => unknown;
}

const isTree = (value: unknown): value is Tree =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function leavesOf(type: z.ZodType, path: readonly string[] = []): Leaf[] {
  if (type instanceof z.ZodObject) {
    return Object.entries(type.shape).flatMap(([key, child]) => leavesOf(child as z.ZodType, [...path, key]));
  }
  if (type instanceof z.ZodPrefault || type instanceof z.ZodDefault || type instanceof z.ZodOptional) {
    return leavesOf(type.unwrap() as z.ZodType, path);
  }
  // What has names or positions of its own has no variable.
  if (type instanceof z.ZodRecord) return [];
  if (type instanceof z.ZodArray && type.element instanceof z.ZodObject) return [];
  return [{ path, fromText: readerFor(type) }];
}

function readerFor(type: z.ZodType): Leaf["fromText"] {
  if (type instanceof z.ZodNumber) return (value) => (/^-?\d+(\.\d+)?$/.test(value) ? Number(value) : value);
  if (type instanceof z.ZodBoolean) return (value) => ({ true: true, false: false })[value] ?? value;
  if (type instanceof z.ZodArray) return (value) => value.split(",").flatMap((item) => item.trim() || []);
  return (value) => value;
}

const variableOf = (path: readonly string[]): string => `MAILONCE_${path.join("_").toUpperCase()}`;
const LEAVES: ReadonlyMap<string, Leaf> = new Map(
  leavesOf(schema).map((leaf) => [variableOf(leaf.path), leaf]),
);

/** Names the file; not a key of the file itself. */
const FILE_VARIABLE = "MAILONCE_CONFIG";

function readFile(file: string): Tree {
  let source: string;
  try {
    source = readFileSync(file, "utf8");
  } catch (error) {
    throw new ConfigError([`${file}: can't be read: ${(error as Error).message}`]);
  }
  try {
    return parse(source) as Tree;
  } catch (error) {
    if (!(error instanceof TomlError)) throw error;
    const reason = error.message.split("\n")[0]?.replace(/^Invalid TOML document: /, "");
    throw new ConfigError([`${file}:${error.line}:${error.column}: not TOML: ${reason}`]);
  }
}

/** Sets a value in the tree; a key of the file that is no table stays, for the schema to complain about. */
function setAt(tree: Tree, path: readonly string[], value: unknown): void {
  let node = tree;
  for (const key of path.slice(0, -1)) {
    node[key] ??= {};
    const child = node[key];
    if (!isTree(child)) return;
    node = child;
  }
  node[path.at(-1) as string] = value;
}

export interface ConfigSources {
  /** The TOML file; MAILONCE_CONFIG names one when this is left out. */
  readonly file?: string | undefined;
  /** A variable of it wins over the file. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Reads and checks the configuration.
 *
 * @throws ConfigError with every fault
 */
export function loadConfig({ file, environment }: ConfigSources): Config {
  const source = file ?? environment[FILE_VARIABLE];
  const faults: string[] = [];
  let tree: Tree = {};
  try {
    if (source !== undefined) tree = readFile(source);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    faults.push(...error.faults);
  }
  for (const [name, value] of Object.entries(environment)) {
    if (!name.startsWith("MAILONCE_") || name === FILE_VARIABLE || value === undefined) continue;
    const leaf = LEAVES.get(name);
    if (leaf === undefined) faults.push(`${name}: no such key`);
    else setAt(tree, leaf.path, leaf.fromText(value));
  }
  const placeOf = (path: readonly PropertyKey[]): string => {
    const keys = path.map(String);
    const variable = variableOf(keys);
    if (LEAVES.has(variable) && environment[variable] !== undefined) return variable;
    return `${source ?? "configuration"}: ${keys.join(".")}`;
  };
  const parsed = schema.safeParse(tree);
  if (!parsed.success) {
    for (const issue of parsed.error.issues) {
      if (issue.code === "unrecognized_keys") {
        faults.push(...issue.keys.map((key) => `${placeOf([...issue.path, key])}: no such key`));
      } else {
        faults.push(`${placeOf(issue.path)}: ${issue.message}`);
      }
    }
  } else {
    faults.push(
      ...contradictions(parsed.data, placeOf),
      ...routingFaults(parsed.data, tree.upstream, placeOf),
    );
  }
  if (faults.length > 0 || !parsed.success) throw new ConfigError(faults);
  return parsed.data;
}

/** What is wrong although every single value is right. */
function contradictions(config: Config, placeOf: PlaceOf): string[] {
  const faults: string[] = [];
  if (!isLoopback(config.smtp.host)) {
    faults.push(
      `${placeOf(["smtp", "host"])}: ${config.smtp.host} is not a loopback address; without authentication ` +
        "mailonce listens on 127.0.0.1 or ::1 only, as anyone who reaches it may submit",
    );
  }
  // P11: an id must outlive every transmission that could repeat it.
  if (config.ledger.retention <= config.spool.lifetime) {
    faults.push(
      `${placeOf(["ledger", "retention"])}: must be longer than spool.lifetime, or an id could be ` +
        "forgotten while its mail is still in the spool",
    );
  }
  if (config.identity.fingerprint_window > config.ledger.retention) {
    faults.push(`${placeOf(["identity", "fingerprint_window"])}: must not be longer than ledger.retention`);
  }
  if (config.spool.retry_max < config.spool.retry_min) {
    faults.push(`${placeOf(["spool", "retry_max"])}: must not be shorter than spool.retry_min`);
  }
  if (config.spool.delay_warning !== undefined && config.spool.delay_warning >= config.spool.lifetime) {
    faults.push(`${placeOf(["spool", "delay_warning"])}: must be shorter than spool.lifetime`);
  }
  return faults;
}

const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || (isIPv4(host) && host.startsWith("127."));

/** Where the Maildir lies when no path is configured: beside the gateway's own data. */
export const maildirPathOf = (config: Config): string =>
  config.upstream.maildir.path ?? join(config.data_dir, "outbox");
