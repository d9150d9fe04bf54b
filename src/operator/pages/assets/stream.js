// The gateway says in a stream that something has happened.

/** Until a stream that was refused is asked for again. Each wait is twice the one before. */
const FIRST_WAIT_MS = 2_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Whatever happens to a mail changes the state too, if only by what went through in the last minute.
 * @param {(isNew: boolean) => void} changed whether something is wrong that was not before, or is not any more; or nobody knows
 */
export function listen(changed) {
  /** @type {string | undefined} */
  let troubles;
  let wait = FIRST_WAIT_MS;
  /** @type {EventSource | undefined} */
  let events;
  /** @type {number | undefined} */
  let timer;
  open();
  // A page that is not in front needs no stream: a browser has six connections for all pages of the gateway.
  document.addEventListener("visibilitychange", open);

  function open() {
    clearTimeout(timer);
    events?.close();
    if (document.hidden) return;
    events = new EventSource("/api/v1/events?only=status");
    events.addEventListener("open", () => {
      wait = FIRST_WAIT_MS;
      // The first thing in a stream is the state: what happened before it opened is unknown.
      troubles = undefined;
    });
    events.addEventListener("status", ({ data }) => {
      // Their texts count the seconds, the mails or the octets; what is wrong is the same.
      const now = JSON.stringify(JSON.parse(data).troubles.map(({ kind, upstream }) => [kind, upstream]));
      const isNew = now !== troubles;
      troubles = now;
      changed(isNew);
    });
    events.addEventListener("error", () => {
      // The page says whether the gateway answers.
      changed(true);
      // A browser comes again by itself unless it was refused: the gateway starts, or has too many streams.
      if (events.readyState !== EventSource.CLOSED) return;
      timer = setTimeout(open, wait);
      wait = Math.min(2 * wait, LONGEST_WAIT_MS);
    });
  }
}
