// Contradictions of [http]: what would let strangers look or decide, or send a token in the clear.
import { isLoopback, listenersOf } from "./listeners.ts";
import type { PlaceOf } from "./places.ts";
import type { Config } from "./schema.ts";

export function httpFaults(config: Config, placeOf: PlaceOf): string[] {
  const { enabled, host, port, tokens_file, tls } = config.http;
  if (!enabled) return [];
  const faults: string[] = [];
  if ((tls.cert_file === undefined) !== (tls.key_file === undefined)) {
    const missing = tls.cert_file === undefined ? "cert_file" : "key_file";
    faults.push(`${placeOf(["http", "tls", missing])}: cert_file and key_file go together`);
  }
  const lacks = [
    ...(tokens_file === undefined
      ? ["http.tokens_file (mailonce token add NAME --role read --file FILE makes a line)"]
      : []),
    ...(tls.cert_file === undefined ? ["http.tls.cert_file and http.tls.key_file"] : []),
  ];
  if (!isLoopback(host) && lacks.length > 0) {
    faults.push(
      `${placeOf(["http", "host"])}: ${host} can be reached from other machines: set ${lacks.join(" and ")}; ` +
        "or listen on 127.0.0.1",
    );
  }
  if (port !== undefined && port !== 0) {
    const same = listenersOf(config).find((listener) => listener.port === port && listener.host === host);
    if (same !== undefined) {
      faults.push(`${placeOf(["http", "port"])}: clients submit on ${host} port ${port}; take another one`);
    }
  }
  return faults;
}
