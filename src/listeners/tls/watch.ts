// Takes over certificates that change on disk, without a restart and without ending a session: a handshake
// uses what is in force when it begins. The files are read again and again, since there is nothing that could
// be watched: certbot replaces a link, containers swap a folder two links away, network disks report nothing.
import { type Clock, systemClock, type Timer } from "../../runtime/clock.ts";
import type { Log } from "../../runtime/log.ts";
import { checkTls, type LoadedTls, readTlsFiles, TlsError, type TlsFiles } from "./certificates.ts";

/** A certificate in force, for people. Times are in milliseconds since the epoch. */
export interface CertificateFacts {
  readonly file: string;
  readonly names: readonly string[];
  readonly notAfter: number;
}

export interface TlsWatch {
  certificate(): CertificateFacts;
  /** Reads the files now and says how that went, changed or not. Never rejects. */
  reload(): Promise<void>;
  /** Nothing is applied or logged from now on. */
  close(): void;
}

/** Soon enough after a renewal, and seldom enough to cost nothing: four small files. */
const LOOK_MS = 5_000;

const DAY_MS = 24 * 60 * 60_000;

/** certbot renews 30 days before the end: at 14, half of its time to do so has failed. */
const SOON_MS = 14 * DAY_MS;

/**
 * Certificate and key are replaced one after the other, so between the two they do not fit. A fault is
 * therefore reported only if the next look finds it too; a caller of `reload` gets it at once.
 *
 * @param inForce what the listeners have been started with
 * @param apply hands it to the listeners
 */
export function watchTls(
  files: TlsFiles,
  inForce: LoadedTls,
  apply: (loaded: LoadedTls) => void,
  log: Log,
  clock: Clock = systemClock,
): TlsWatch {
  const certificate = files.certFile;
  let closed = false;
  let loaded = inForce;
  /** The state that was last applied or reported. */
  let settled = inForce.digest;
  let failing = false;
  let warnedAt = 0;
  let timer: Timer;
  let turn: Promise<void> = Promise.resolve();

  const warn = (): void => {
    const now = clock.now();
    warnedAt = now;
    const { names } = loaded;
    const notAfter = new Date(loaded.notAfter).toISOString();
    if (now < loaded.notBefore) {
      const notBefore = new Date(loaded.notBefore).toISOString();
      log.warn("tls.not_yet_valid", { certificate, names, notBefore });
    } else if (loaded.notAfter - now < SOON_MS) {
      const days = Math.floor((loaded.notAfter - now) / DAY_MS);
      log.warn("tls.expires_soon", { certificate, names, notAfter, days });
    }
  };

  const look = async (asked: boolean): Promise<void> => {
    const contents = await readTlsFiles(files);
    if (closed) return;
    if (!asked && contents.digest === settled) {
      failing = false;
    } else {
      try {
        const next = checkTls(files, contents, clock.now());
        apply(next);
        loaded = next;
        settled = contents.digest;
        failing = false;
        const notAfter = new Date(next.notAfter).toISOString();
        log.info("tls.reloaded", { certificate, names: next.names, notAfter });
        warn();
      } catch (error) {
        if (asked || failing) {
          settled = contents.digest;
          const faults = error instanceof TlsError ? error.faults : [String(error)];
          log.error("tls.reload_failed", { certificate, faults });
        }
        failing = true;
      }
    }
    // In both directions: a clock that was far ahead must not silence it for years.
    if (Math.abs(clock.now() - warnedAt) >= DAY_MS) warn();
  };
  /** One look at a time: an older one must not apply after a newer one. */
  const inTurn = (asked: boolean): Promise<void> => {
    turn = turn.then(() => look(asked));
    return turn;
  };
  const schedule = (): void => {
    timer = clock.after(LOOK_MS, () => {
      void inTurn(false).then(() => {
        if (!closed) schedule();
      });
    });
  };

  warn();
  schedule();
  return {
    certificate: () => ({ file: certificate, names: loaded.names, notAfter: loaded.notAfter }),
    reload: () => (closed ? Promise.resolve() : inTurn(true)),
    close() {
      closed = true;
      timer.cancel();
    },
  };
}
