// Opens the upstreams that a configuration describes. Of each kind only its own libraries are loaded.
import type { Config } from "../config/config.ts";
import { readConfigFiles } from "../config/files.ts";
import { maildirPathOf, viewsOf } from "../config/routes.ts";
import type { Clock } from "../runtime/clock.ts";
import { alone, type Fleet } from "../runtime/fleet.ts";
import type { Log } from "../runtime/log.ts";
import { readSecretFile } from "../runtime/secret-file.ts";
import type { Upstream } from "./upstream.ts";

/** Nobody waits for it. */
const SENDER_CHECK_MS = 30_000;

/** Every upstream that the configuration describes, by its name; several also have it in the log. */
export async function createUpstreams(
  config: Config,
  clock: Clock,
  log: Log,
  fleet: Fleet = alone,
): Promise<ReadonlyMap<string, Upstream>> {
  const upstreams = new Map<string, Upstream>();
  for (const { name, config: view, place } of viewsOf(config)) {
    const upstream = await createUpstream(view, clock, log, fleet, place);
    upstreams.set(name, view === config ? upstream : { ...upstream, name, place: upstream.name });
  }
  return upstreams;
}

async function createUpstream(
  config: Config,
  clock: Clock,
  log: Log,
  fleet: Fleet,
  place: string,
): Promise<Upstream> {
  const { kind, concurrency, smtp, ses } = config.upstream;
  switch (kind) {
    case "maildir": {
      const { createMaildirUpstream } = await import("./maildir.ts");
      return createMaildirUpstream({ path: maildirPathOf(config) });
    }
    case "smtp": {
      const { createSmtpUpstream } = await import("./smtp/smtp.ts");
      const { host = "localhost", ca_file: _, keep_id_field: __, password_file: file, ...rest } = smtp;
      const { smtpAuthorities: ca } = readConfigFiles(config, place);
      const trust = ca === undefined ? {} : { tlsOptions: { ca } };
      const { hostname } = config;
      const secret = file === undefined ? {} : { readPassword: () => readSecretFile(file) };
      return createSmtpUpstream({
        ...rest,
        ...secret,
        ...trust,
        host,
        hostname,
        idleMax: concurrency,
        clock,
      });
    }
    case "ses": {
      const { createSesUpstream } = await import("./ses/ses.ts");
      const { region, endpoint, configuration_set: configurationSet } = ses;
      const { from_email_address_identity_arn: fromEmailAddressIdentityArn } = ses;
      const { rate_per_second: ratePerSecond } = config.upstream;
      const call = { region, endpoint, configurationSet, fromEmailAddressIdentityArn };
      return createSesUpstream({ ...call, ratePerSecond, fleet, clock, log });
    }
  }
}

/** Mail is taken all the same, and waits: credentials of a role may be there a moment later. */
export async function announceLack(upstream: Upstream, from: string, log: Log): Promise<void> {
  const lack = await upstream.lacks?.();
  if (lack !== undefined) {
    log.error("upstream.unusable", { upstream: upstream.name, error: lack });
    return;
  }
  const fault = await upstream.senderFault?.(from, AbortSignal.timeout(SENDER_CHECK_MS));
  if (fault !== undefined)
    log.error("report.sender_unverified", { upstream: upstream.name, from, error: fault });
}
