// What every listener is to the gateway, whatever its protocol.
import type { TlsOptions } from "./tls/certificates.ts";

export interface Listener {
  readonly host: string;
  readonly port: number;
  /** For connections from now on. */
  updateTls(options: TlsOptions): void;
  /** Accepts no further mail and closes each connection as soon as no content is under way on it. */
  stop(): Promise<void>;
}
