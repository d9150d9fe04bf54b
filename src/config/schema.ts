// Every key of the configuration, with its default and the reason for it. A test compares
// docs/configuration.md with it.
import { hostname } from "node:os";
import { z } from "zod";
import {
  addressPattern,
  count,
  domain,
  domainPattern,
  duration,
  durationOrNone,
  envidPolicy,
  fieldName,
  hostName,
  MEBIBYTE,
  mailboxAddress,
  namespace,
  network,
  port,
  text,
  userName,
} from "./values.ts";

/** One upstream. */
const upstreamKeys = {
  kind: z.enum(["maildir", "smtp", "ses"]).default("maildir"),
  /** Below 50, which is what Postfix lets one client open. */
  concurrency: count.max(1_000).default(40),
  /** Transmissions a second; no limit when left out. */
  rate_per_second: z.number().positive().optional(),
  smtp: z
    .strictObject({
      host: text.optional(),
      port: port.default(587),
      username: text.optional(),
      password: text.optional(),
      /** Holds the password, in its place. */
      password_file: text.optional(),
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
      /** What SES publishes about its mails settles doubt. */
      events: z
        .strictObject({
          /** Of SQS; its host names the region. No events are read when left out. */
          queue_url: z
            .url({ protocol: /^https?$/ })
            .regex(
              /^https?:\/\/[^/?#]+\/[^/?#]+\/[^/?#]+$/,
              "expected the URL of a queue, such as https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce",
            )
            .optional(),
          /** How long a doubtful id waits for them before `ledger.doubtful` decides. SES publishes within seconds. */
          wait: duration.prefault("5m"),
        })
        .prefault({}),
      /** Gone: read and ignored, with a warning, for one minor version. */
      workers: z.int().min(0).max(64).optional(),
    })
    .prefault({}),
  maildir: z.strictObject({ path: text.optional() }).prefault({}),
};

const route = z.strictObject({
  /** Left out in the route of all other mail. */
  domains: z.array(domain).min(1, "must name a domain").optional(),
  by: z.enum(["from", "reverse-path"]).default("from"),
  upstreams: z.array(text).min(1, "must name an upstream"),
});

/** Where clients connect: the address, and what they meet there. */
const listenerKeys = {
  /** LMTP answers for each recipient; ses-api is the API of SES, for mailers that use an AWS SDK. */
  protocol: z.enum(["smtp", "lmtp", "ses-api"]).default("smtp"),
  host: text.default("127.0.0.1"),
  /** 0 takes any free port; the log says which. */
  port: z.int().min(0).max(65_535).default(2525),
  /** Words as for an upstream: implicit is TLS from the first octet, the two before it are STARTTLS. */
  tls: z.enum(["none", "opportunistic", "required", "implicit"]).default("none"),
  /** Whether trusted networks have to authenticate as well. */
  auth: z.enum(["untrusted", "everyone"]).default("untrusted"),
};

/** What a client may submit. Lists that are empty or left out allow everything. */
const policyKeys = {
  /** Addresses, domains, domains with all below ("*.example.com"), and "<>" for the null reverse-path. */
  reverse_paths: z.array(addressPattern).optional(),
  from_domains: z.array(domainPattern).optional(),
  allowed_recipients: z.array(addressPattern).optional(),
  denied_recipients: z.array(addressPattern).optional(),
  /** What header fields may name to SES. Left out: anything; an empty list: nothing. */
  ses_configuration_sets: z.array(text).optional(),
  ses_tenants: z.array(text).optional(),
  ses_contact_lists: z.array(text).optional(),
  ses_tags: z.array(text).optional(),
  /** At most smtp.recipients_max. */
  recipients_max: count.optional(),
  messages_per_hour: count.optional(),
  recipients_per_hour: count.optional(),
};

export const schema = z.strictObject({
  data_dir: text.default("data"),
  /** In EHLO, Received and the fallback for the right side of Message-ID. */
  hostname: text
    .regex(/^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$/, "expected a host name")
    .default(() => hostname()),
  smtp: z
    .strictObject({
      ...listenerKeys,
      /** 40 MiB: no common mailer writes more. Less where the upstream takes less. */
      size_max_bytes: count.default(40 * MEBIBYTE),
      /** Several times what any mailer writes; the header is held in memory. */
      header_max_bytes: count.default(256 * 1024),
      /** RFC 5321 §4.5.3.1.8 asks for 100 at least. */
      recipients_max: count.default(1_000),
      /** Half a megabyte each, at worst, and a descriptor. */
      connections_max: count.default(1_000),
      /** Of one address; trusted networks may use them all. Several times what a pool of one host opens. */
      connections_per_address_max: count.default(50),
      /** Content being received, of all connections together, that is held in memory. */
      buffer_max_bytes: count.default(64 * MEBIBYTE),
      /** RFC 5321 §4.5.3.1.4 asks for 512, RFC 4954 §4 for more with AUTH; a path has 320 at most. */
      command_max_bytes: z.int().min(512).max(65_536).default(4_096),
      /** Commands answered by 5yz, for syntax or sequence, before the connection ends. As Postfix. */
      errors_max: count.default(20),
      /**
       * Reverse-paths and recipients refused for good since the last mail: a client with more is guessing.
       */
      refusals_max: count.default(100),
      /** Commands since the last mail that submit nothing, such as NOOP or RSET. As Postfix. */
      junk_commands_max: count.default(100),
      /** Commands before authentication, where it is demanded. A client needs four. */
      unauthenticated_commands_max: count.default(20),
      /** Demand what RFC 5321 demands of EHLO and of paths, where old clients and devices don't keep to it. */
      strict: z.boolean().default(false),
      /** Received fields of a mail; one with more is in a loop. As Postfix. */
      hops_max: count.default(50),
      bare_newline: z.enum(["normalize", "reject"]).default("normalize"),
      timeouts: z
        .strictObject({
          /** For a PROXY header or a TLS handshake, and then for EHLO. */
          greeting: duration.prefault("30s"),
          /** For the next command, whole. RFC 5321 §4.5.3.2.7 asks for five minutes. */
          command: duration.prefault("5m"),
          /** Between octets of the content. RFC 5321 §4.5.3.2.5 asks for three minutes. */
          data_idle: duration.prefault("3m"),
          /** For the content as a whole: 40 MiB in it are 0.4 Mbit/s. */
          data: duration.prefault("15m"),
        })
        .prefault({}),
      /** When 250 is said: once the mail is durable, or once the upstream has taken it. */
      reply: z.enum(["queued", "relayed"]).default("queued"),
    })
    .prefault({}),
  /** Several listeners, instead of the one of [smtp]. */
  listeners: z.array(z.strictObject(listenerKeys)).default([]),
  /** The certificates of the listeners. */
  tls: z
    .strictObject({
      cert_file: text.optional(),
      key_file: text.optional(),
      min_version: z.enum(["1.2", "1.3"]).default("1.2"),
      /** Clients with a certificate of these authorities are authenticated by it. */
      client_ca_file: text.optional(),
      client_crl_file: text.optional(),
    })
    .prefault({}),
  /** Where operators look and decide, with a browser or a program. */
  http: z
    .strictObject({
      enabled: z.boolean().default(true),
      host: text.default("127.0.0.1"),
      /** 0 takes any free port. Left out: HTTP_PORT where it is free. */
      port: z.int().min(0).max(65_535).optional(),
      /** Who may read and operate. */
      tokens_file: text.optional(),
      /** Names in Host beside localhost and addresses: a name of an attacker can lead here. */
      hosts: z.array(hostName).default([]),
      tls: z.strictObject({ cert_file: text.optional(), key_file: text.optional() }).prefault({}),
    })
    .prefault({}),
  /** Who may submit. */
  access: z
    .strictObject({
      /** Everybody else is turned away when they connect. */
      allowed_networks: z.array(network).default(["0.0.0.0/0", "::/0"]),
      /** Submit without authentication. */
      trusted_networks: z.array(network).default(["127.0.0.0/8", "::1"]),
      users_file: text.optional(),
      /** Keys of those who call the API of SES; without it only trusted networks may. */
      keys_file: text.optional(),
      /** Load balancers, whose connections begin with a PROXY header. */
      proxies: z.array(network).default([]),
      /** Relays that may say XCLIENT. */
      xclient: z.array(network).default([]),
      /** Wrong passwords of one address within the window; then it is blocked. */
      auth_failures_max: count.default(10),
      auth_failures_window: duration.prefault("10m"),
      auth_block: duration.prefault("1h"),
    })
    .prefault({}),
  /** What everybody may submit, unless [users.NAME] says otherwise. */
  policy: z
    .strictObject({
      ...policyKeys,
      /** Of one address, for all its users together. */
      address_messages_per_hour: count.optional(),
      address_recipients_per_hour: count.optional(),
    })
    .prefault({}),
  users: z.record(userName, z.strictObject({ ...policyKeys, namespace: namespace.optional() })).default({}),
  identity: z
    .strictObject({
      /** "observe" drops and refuses nothing for its identity: what "enforce" would have done is counted and said. */
      mode: z.enum(["enforce", "observe"]).default("enforce"),
      headers: z
        .array(fieldName)
        .default(["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"]),
      part_header: fieldName.default("X-Task-Part"),
      /** Whether ENVID may name the task: a library's example sets a constant one, which is no UUID. */
      envid: envidPolicy.default("uuid"),
      namespace: namespace.default(""),
      unkeyed: z.enum(["relay", "reject", "fingerprint"]).default("relay"),
      /** How long the same content without a task id counts as a repeat. */
      fingerprint_window: duration.prefault("10m"),
      secret: z.string().default(""),
      /** Holds the secret, in its place. */
      secret_file: text.optional(),
      /** Whether a mail with a task gets the derived Message-ID, or keeps the one that its mailer gave it. */
      message_id: z.enum(["derive", "keep"]).default("derive"),
      /** An id that joins References, for replies to a mail whose Message-ID the recipient does not see. */
      references: z.enum(["none", "derived", "own"]).default("none"),
      /** For "strict" another body is another mail too. */
      conflict: z.enum(["reject", "strict", "drop"]).default("reject"),
    })
    .prefault({}),
  ledger: z
    .strictObject({
      kind: z.enum(["embedded", "postgres", "dynamodb"]).default("embedded"),
      retention: duration.prefault("30d"),
      /** Of kinds that several gateways share: how long one may be silent before others take over. */
      lease: duration.prefault("30s"),
      postgres: z
        .strictObject({
          /** postgres://user:password@host:port/database, with libpq's parameters. */
          url: text.optional(),
          /** Holds the URL, in its place. */
          url_file: text.optional(),
        })
        .prefault({}),
      dynamodb: z
        .strictObject({
          table: text.default("mailonce"),
          region: text.optional(),
          endpoint: z.url({ protocol: /^https?$/ }).optional(),
        })
        .prefault({}),
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
      /** Below it no mail is taken, since accepted mail must still be settled, which writes too. */
      free_min_bytes: z
        .int()
        .min(0)
        .default(256 * MEBIBYTE),
    })
    .prefault({}),
  upstream: z
    .strictObject({
      ...upstreamKeys,
      /**
       * Memory for the contents of attempts under way. With the rest of the process it stays below 512 MiB,
       * and the largest mail that SES takes fits in twice.
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
  /** What became of each mail, for people. */
  history: z
    .strictObject({
      /** A weekend and a day: what a person asks about is rarely older. 0 keeps none. */
      retention: durationOrNone.prefault("3d"),
    })
    .prefault({}),
  /** Reports to senders. */
  notices: z
    .strictObject({
      /** The mailbox that they are from; MAILER-DAEMON at the host name when left out. */
      from: mailboxAddress.optional(),
    })
    .prefault({}),
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

/** Where HTTP listens when no port is set. */
export const HTTP_PORT = 2580;

export type Config = z.output<typeof schema>;
export type UpstreamConfig = Config["upstreams"][string];
export type ListenerConfig = Config["listeners"][number];
export type UserConfig = Config["users"][string];
