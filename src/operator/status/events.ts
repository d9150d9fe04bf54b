// What pages show live, as server-sent events: the state of the gateway each second if it has changed, and the ids of mails
// to which something has happened. One look serves all streams. Their number, what each may keep waiting, and how much is sent
// are bounded.
import type { Changes } from "../../history/changes.ts";
import type { Clock, Timer } from "../../runtime/clock.ts";
import type { Asker } from "../http/route.ts";
import { maskedStatus } from "./masked.ts";
import type { Status } from "./schema.ts";

export interface Events {
  /**
   * A stream of octets as text/event-stream has them; undefined when there are too many.
   *
   * @param wantsMails also the ids of mails, which are many while mail comes
   */
  open(role: Asker["role"], wantsMails: boolean): ReadableStream<Uint8Array> | undefined;
  /** Streams that are open. */
  count(): number;
  /** Ends all of them, and opens none any more. */
  close(): void;
}

export interface EventsParts {
  readonly status: () => Promise<Status>;
  readonly changes: Changes;
  readonly clock: Clock;
}

/** A browser has one for each window. Together they are fewer than the connections that there may be. */
const STREAMS_MAX = 128;
/** Who has no token can't keep out who has one. */
const VISITORS_MAX = 64;

/** Octets that wait for a reader: some of the largest events. Who is further behind is cut, and may come again. */
const BEHIND_MAX = 64 * 1024;

const EVERY_MS = 1_000;

/** States that are sent in a second to all together, unless something is wrong that was not before. */
const SENT_EACH_SECOND = 20;

/** A proxy ends what is silent for a minute. */
const SILENT_MS = 15_000;

/** A token that is removed reads for so long at most; browsers come again by themselves. */
const OPEN_MAX_MS = 10 * 60_000;

/** After how many milliseconds a browser comes again. */
const HELLO = "retry: 2000\n\n";
const STILL_THERE = ": still there\n\n";

interface Reader {
  readonly isVisitor: boolean;
  readonly wantsMails: boolean;
  readonly controller: ReadableStreamDefaultController<Uint8Array>;
  readonly openedAt: number;
  /** It has the state as it was sent last. */
  isUpToDate: boolean;
}

const toUtf8 = new TextEncoder();

export function createEvents({ status, changes, clock }: EventsParts): Events {
  const readers = new Set<Reader>();
  let timer: Timer | undefined;
  let isLooking = false;
  let isClosed = false;
  /** Of the state that was sent last, but for what changes all the time. */
  let lastSeen = "";
  /** For visitors, and for others. */
  let lastStatus: readonly [Uint8Array, Uint8Array] | undefined;
  let lastTroubles = "";
  let stateSentAt = 0;
  let sentAt = 0;

  const watch = (): void => changes.watch([...readers].some(({ wantsMails }) => wantsMails));

  const leave = (reader: Reader): void => {
    if (!readers.delete(reader)) return;
    watch();
    if (readers.size > 0) return;
    timer?.cancel();
    timer = undefined;
  };

  const end = (reader: Reader): void => {
    leave(reader);
    try {
      reader.controller.close();
    } catch {
      // Its reader has gone.
    }
  };

  const send = (reader: Reader, octets: Uint8Array): void => {
    if ((reader.controller.desiredSize ?? 0) <= 0) end(reader);
    else reader.controller.enqueue(octets);
  };

  const look = async (): Promise<void> => {
    const now = await status();
    const seen = JSON.stringify({ ...now, disk: { ...now.disk, free: undefined } });
    // Their texts count the seconds, the mails or the octets; what is wrong is the same.
    const troubles = now.troubles.map(({ kind, upstream }) => `${kind} ${upstream ?? ""}`).join("\n");
    const waited = clock.now() - stateSentAt;
    const isTime = waited < 0 || waited >= (readers.size / SENT_EACH_SECOND) * 1_000;
    const known = seen === lastSeen ? lastStatus : undefined;
    const state = known ?? ([eventOf("status", maskedStatus(now)), eventOf("status", now)] as const);
    const isChanged = known === undefined && (isTime || troubles !== lastTroubles);
    if (isChanged) {
      [lastSeen, lastStatus, lastTroubles] = [seen, state, troubles];
      stateSentAt = clock.now();
    }
    const { ids, isMore } = changes.take();
    const mails = ids.length === 0 ? undefined : eventOf("mails", { ids, isMore });
    const isSilent = clock.now() - sentAt >= SILENT_MS || clock.now() < sentAt;
    for (const reader of [...readers]) {
      if (clock.now() - reader.openedAt >= OPEN_MAX_MS) {
        end(reader);
        continue;
      }
      if (isChanged || !reader.isUpToDate) send(reader, state[reader.isVisitor ? 0 : 1]);
      else if (isSilent) send(reader, toUtf8.encode(STILL_THERE));
      if (mails !== undefined && reader.wantsMails && readers.has(reader)) send(reader, mails);
      // What it alone has got may be over before the others get anything.
      reader.isUpToDate = known !== undefined || isChanged;
    }
    if (isChanged || isSilent || mails !== undefined) sentAt = clock.now();
  };

  const tick = async (): Promise<void> => {
    if (isLooking) return;
    isLooking = true;
    try {
      await look();
    } catch {
      // The next look may work; who asks for the state itself is told why not.
    } finally {
      isLooking = false;
    }
    if (readers.size > 0) schedule(EVERY_MS);
  };

  function schedule(ms: number): void {
    timer?.cancel();
    timer = clock.after(ms, () => void tick());
  }

  return {
    open(role, wantsMails) {
      const isVisitor = role === "visitor";
      const visitors = [...readers].filter((reader) => reader.isVisitor).length;
      if (isClosed || readers.size >= STREAMS_MAX || (isVisitor && visitors >= VISITORS_MAX))
        return undefined;
      let reader: Reader;
      return new ReadableStream<Uint8Array>(
        {
          start(controller) {
            reader = { isVisitor, wantsMails, controller, openedAt: clock.now(), isUpToDate: false };
            readers.add(reader);
            watch();
            controller.enqueue(toUtf8.encode(HELLO));
            schedule(0);
          },
          cancel: () => leave(reader),
        },
        new ByteLengthQueuingStrategy({ highWaterMark: BEHIND_MAX }),
      );
    },
    count: () => readers.size,
    close() {
      isClosed = true;
      for (const reader of [...readers]) end(reader);
    },
  };
}

const eventOf = (name: string, data: unknown): Uint8Array =>
  toUtf8.encode(`event: ${name}\ndata: ${JSON.stringify(data)}\n\n`);
