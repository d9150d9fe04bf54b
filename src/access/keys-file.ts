// The keys file: who may call the API of SES here. How it is read and followed is in access-file.ts.
import type { Clock } from "../runtime/clock.ts";
import type { Log } from "../runtime/log.ts";
import { type AccessFile, openAccessFile, readAccessFile } from "./access-file.ts";
import { type AccessKey, parseKeys } from "./keys-lines.ts";

export interface Keys {
  /** Undefined for an id that is not in the file. */
  get(keyId: string): AccessKey | undefined;
}

export type KeysFile = Keys & Pick<AccessFile<AccessKey>, "reload" | "close">;

/** @throws AccessFileError */
export const readKeys = (path: string): Promise<ReadonlyMap<string, AccessKey>> =>
  readAccessFile(path, parseKeys);

/**
 * Reads the file and follows its changes.
 *
 * @throws AccessFileError
 */
export async function openKeysFile(
  path: string,
  clock: Clock,
  log: Pick<Log, "info" | "error">,
): Promise<KeysFile> {
  const { values, reload, close } = await openAccessFile(path, parseKeys, clock, {
    reloaded: (keys) => log.info("keys.reloaded", { keys }),
    failed: (error) => log.error("keys.reload_failed", { error }),
  });
  return { get: (keyId) => values().get(keyId), reload, close };
}
