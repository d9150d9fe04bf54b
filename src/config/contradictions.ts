// Contradictions between settings whose single values are right.
import { httpFaults } from "./http.ts";
import { listenerFaults } from "./listeners.ts";
import type { PlaceOf } from "./places.ts";
import { routingFaults } from "./routes.ts";
import type { Config } from "./schema.ts";

/**
 * Every contradiction, as a line with its place.
 *
 * @param given what was set, defaults left out
 */
export function contradictions(
  config: Config,
  given: Readonly<Record<string, unknown>>,
  placeOf: PlaceOf,
): string[] {
  return [
    ...timeFaults(config, placeOf),
    ...ledgerFaults(config, placeOf),
    ...listenerFaults(config, given.smtp, placeOf),
    ...httpFaults(config, placeOf),
    ...routingFaults(config, given.upstream, placeOf),
  ];
}

/** Below it a pause of the process or of the engine would look like the end of a gateway. */
export const LEASE_MIN_MS = 5_000;

function ledgerFaults({ ledger, identity }: Config, placeOf: PlaceOf): string[] {
  const { kind, postgres, lease, doubtful } = ledger;
  const faults: string[] = [];
  if (identity.mode === "observe" && doubtful === "drop") {
    faults.push(
      `${placeOf(["ledger", "doubtful"])}: "drop" may lose mail, and identity.mode = "observe" drops none: ` +
        'set "resend" or "hold"',
    );
  }
  if (kind === "postgres" && postgres.url === undefined && postgres.url_file === undefined) {
    faults.push(`${placeOf(["ledger", "postgres", "url"])}: needed when ledger.kind is "postgres"`);
  }
  if (lease < LEASE_MIN_MS) faults.push(`${placeOf(["ledger", "lease"])}: must be at least 5s`);
  return faults;
}

function timeFaults({ ledger, spool, identity, smtp }: Config, placeOf: PlaceOf): string[] {
  const faults: string[] = [];
  // P11: an id must outlive every transmission that could repeat it.
  if (ledger.retention <= spool.lifetime) {
    faults.push(
      `${placeOf(["ledger", "retention"])}: must be longer than spool.lifetime, or an id could be ` +
        "forgotten while its mail is still in the spool",
    );
  }
  if (identity.fingerprint_window > ledger.retention) {
    faults.push(`${placeOf(["identity", "fingerprint_window"])}: must not be longer than ledger.retention`);
  }
  if (spool.retry_max < spool.retry_min) {
    faults.push(`${placeOf(["spool", "retry_max"])}: must not be shorter than spool.retry_min`);
  }
  if (spool.delay_warning !== undefined && spool.delay_warning >= spool.lifetime) {
    faults.push(`${placeOf(["spool", "delay_warning"])}: must be shorter than spool.lifetime`);
  }
  if (smtp.timeouts.data < smtp.timeouts.data_idle) {
    faults.push(`${placeOf(["smtp", "timeouts", "data"])}: must not be shorter than smtp.timeouts.data_idle`);
  }
  return faults;
}
