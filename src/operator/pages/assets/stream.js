// The gateway says in a stream that something has happened.

/**
 * Whatever happens to a mail changes the state too, if only by what went through in the last minute.
 * @param {(isNew: boolean) => void} changed whether something is wrong that was not before, or is not any more
 */
export function listen(changed) {
  /** @type {string | undefined} */
  let troubles;
  const events = new EventSource("/api/v1/events?only=status");
  events.addEventListener("status", ({ data }) => {
    const now = JSON.stringify(JSON.parse(data).troubles);
    const isNew = now !== troubles;
    troubles = now;
    changed(isNew);
  });
  // The page says whether the gateway answers.
  events.addEventListener("error", () => changed(true));
}
