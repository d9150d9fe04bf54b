// Settings that are valid but may be a mistake. Each start logs them, and check-config prints them.
import type { EnvidPolicy } from "../identity/identify.ts";
import { listenersOf } from "./listeners.ts";
import { viewsOf } from "./routes.ts";
import type { Config } from "./schema.ts";

export interface ConfigWarning {
  /** A dotted path. */
  readonly key: string;
  readonly warning: string;
}

/** The policy that `envid` names; `true` and `false` are what it could be before it had three. */
export function envidOf({ identity: { envid } }: Pick<Config, "identity">): EnvidPolicy {
  if (typeof envid === "string") return envid;
  return envid ? "uuid" : "off";
}

/** @param names of those who may authenticate, as the users file has them */
export function warningsOf(config: Config, names: readonly string[] = []): ConfigWarning[] {
  return [
    ...modeWarnings(config),
    ...envidWarnings(config),
    ...namespaceWarnings(config, names),
    ...waitWarnings(config),
    ...unreadWarnings(config),
    ...keysWarnings(config),
    ...removedWarnings(config),
  ];
}

function modeWarnings({ identity }: Config): ConfigWarning[] {
  if (identity.mode === "enforce") return [];
  return [{ key: "identity.mode", warning: '"observe" drops nothing: repeats are relayed, and counted' }];
}

function envidWarnings(config: Config): ConfigWarning[] {
  const { envid } = config.identity;
  if (typeof envid === "string") return [];
  const policy = envidOf(config);
  const change = envid ? "; before, any ENVID counted as a task, now only a UUID does" : "";
  return [{ key: "identity.envid", warning: `${envid} is read as "${policy}"${change}` }];
}

/**
 * A task of one user is then a repeat of another's, which is right only for one mailer with several
 * passwords.
 */
function namespaceWarnings(
  { users, identity, access, tls }: Config,
  names: readonly string[],
): ConfigWarning[] {
  const { users_file, keys_file } = access;
  if (users_file === undefined && keys_file === undefined && tls.client_ca_file === undefined) return [];
  const common =
    identity.namespace === ""
      ? []
      : [shared("identity.namespace", identity.namespace, "all users without another one")];
  const byNamespace = new Map<string, string[]>();
  // Those without a table of their own come first: what is warned of is a key of the last.
  const others = names.filter((name) => !Object.hasOwn(users, name)).map((name) => [name, {}] as const);
  const all: readonly (readonly [string, { readonly namespace?: string | undefined }])[] = [
    ...others,
    ...Object.entries(users),
  ];
  for (const [name, { namespace = identity.namespace || name }] of all) {
    if (namespace === identity.namespace && namespace !== "") continue;
    byNamespace.set(namespace, [...(byNamespace.get(namespace) ?? []), name]);
  }
  const several = [...byNamespace].filter(([, names]) => names.length > 1);
  return [
    ...common,
    ...several.map(([namespace, names]) =>
      shared(`users.${names.at(-1)}.namespace`, namespace, names.join(", ")),
    ),
  ];
}

const shared = (key: string, namespace: string, who: string): ConfigWarning => ({
  key,
  warning: `"${namespace}" is the namespace of ${who}: a task of one is a repeat of the others'`,
});

/**
 * A message that could not be settled at once is hidden for up to a minute, and read after that: twice that, so that it is
 * read within the wait.
 */
const WAIT_MIN_MS = 2 * 60_000;

function waitWarnings(config: Config): ConfigWarning[] {
  return viewsOf(config)
    .filter(({ config: { upstream } }) => {
      const { queue_url: queueUrl, wait } = upstream.ses.events;
      return upstream.kind === "ses" && queueUrl !== undefined && wait < WAIT_MIN_MS;
    })
    .map(({ place }) => ({
      key: `${place}.ses.events.wait`,
      warning:
        "below 2m: an event that comes during its attempt is read again up to a minute later, and then it may come too late",
    }));
}

/** Only the upstream that calls the API of SES reads events: the SMTP endpoint of SES gets no tags that name the mail. */
function unreadWarnings(config: Config): ConfigWarning[] {
  return viewsOf(config)
    .filter(({ config: { upstream } }) => {
      return upstream.kind !== "ses" && upstream.ses.events.queue_url !== undefined;
    })
    .map(({ place, config: { upstream } }) => ({
      key: `${place}.ses.events.queue_url`,
      warning: `is ignored: events are read where ${place}.kind is "ses", and here it is "${upstream.kind}"`,
    }));
}

function keysWarnings(config: Config): ConfigWarning[] {
  const isRead = listenersOf(config).some(({ protocol }) => protocol === "ses-api");
  if (config.access.keys_file === undefined || isRead) return [];
  const warning = 'is not used: no listener has protocol "ses-api"';
  return [{ key: "access.keys_file", warning }];
}

/** A setting that is gone is accepted for one minor version, so that an upgrade never fails for it. */
function removedWarnings({ upstream, upstreams }: Config): ConfigWarning[] {
  const named = Object.entries(upstreams).map(([name, one]) => [`upstreams.${name}`, one] as const);
  return [["upstream", upstream] as const, ...named]
    .filter(([, { ses }]) => ses.workers !== undefined)
    .map(([path]) => ({
      key: `${path}.ses.workers`,
      warning: "is ignored: SES is called from the gateway's own thread; remove the line",
    }));
}
