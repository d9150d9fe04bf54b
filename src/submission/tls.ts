// TLS is refused until it is here (B, overwrite this whole file; keep the names of the exports, please).
import type { TLSSocket } from "node:tls";
import type { Log } from "../runtime/log.ts";

export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly minVersion: "1.2" | "1.3";
  readonly clientCaFile?: string;
  readonly clientCrlFile?: string;
}
export interface TlsOptions {
  readonly key: string;
  readonly cert: string;
}
export class TlsFilesError extends Error {
  readonly faults: readonly string[] = ["there is no TLS in this build"];
}
export function loadTls(_: TlsFiles): TlsOptions {
  throw new TlsFilesError("there is no TLS in this build");
}
export function watchTls(_: TlsFiles, __: (options: TlsOptions) => void, ___: Log) {
  return { reload: async () => {}, close() {} };
}
export const clientUser = (_: TLSSocket): string | undefined => undefined;
