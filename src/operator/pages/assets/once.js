// A form is sent once. The second click of a double click would be an order of its own; its answer, that nothing is left to do,
// would be shown in place of what the first has done.

/** Who has stopped the browser meanwhile can send it again after this. */
const UNDER_WAY_MS = 60_000;

/** Forms on their way, and since when. @type {Map<EventTarget | null, number>} */
const sent = new Map();

const isUnderWay = (since) => since !== undefined && Date.now() - since < UNDER_WAY_MS;

export const isSending = () => [...sent.values()].some(isUnderWay);

addEventListener("submit", (event) => {
  const form = event.target;
  if (form.getAttribute("method") !== "post") return;
  if (isUnderWay(sent.get(form))) event.preventDefault();
  else sent.set(form, Date.now());
});

// Also when somebody comes back to it.
addEventListener("pageshow", () => sent.clear());
