// Keeps a page up to date: reads it again when the gateway says that something has happened, and puts the new content in place
// of the old. Without this script a page is as it was when it was loaded.
import { keepDone } from "./done.js";
import { focusOn, placeOf } from "./focus.js";
import { isFilledIn, isUsed, watchPointer } from "./kept.js";
import { isSending } from "./once.js";
import { listen } from "./stream.js";

/** How often at least: ages go on while nothing happens, and the gateway may have no stream to give. */
const AT_LEAST_MS = 30_000;

/** After that the gateway counts as not answering. */
const ANSWER_MS = 20_000;

const main = document.querySelector("main[data-live]");
if (main !== null) begin(main);

/** @param {Element} main */
function begin(main) {
  let isLive = true;
  /** What came in place of the page when it was last read. @type {string | undefined} */
  let fault;
  let isReading = false;
  /** Something has happened since the page was read. */
  let isStale = false;
  let readAt = Date.now();
  /** @type {number | undefined} */
  let timer;

  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "live";
  const show = () => {
    const [text, title] = !isLive
      ? ["Paused", "The page stays as it is. Press to go on."]
      : fault !== undefined
        ? ["No answer", `${fault} The page is as it was, and goes on by itself.`]
        : isFilledIn(main)
          ? ["Kept: a form is filled in", "The page goes on when the form is sent or emptied."]
          : ["Live", "The page changes as things happen. Press to keep it as it is."];
    if (toggle.textContent !== text) toggle.textContent = text;
    toggle.title = title;
  };
  toggle.addEventListener("click", () => {
    isLive = !isLive;
    show();
    soon(0);
  });
  show();
  document.querySelector("header")?.append(toggle);

  const mayRead = () => isLive && !document.hidden && !isSending() && !isUsed(main);

  async function read() {
    timer = undefined;
    isStale = true;
    if (isReading || !mayRead()) return;
    isReading = true;
    isStale = false;
    readAt = Date.now();
    try {
      const answer = await fetch(location.href, {
        headers: { Accept: "text/html" },
        signal: AbortSignal.timeout(ANSWER_MS),
      });
      fault = answer.ok ? undefined : `The gateway can't show this now (${answer.status}).`;
      // The session has ended.
      if (answer.redirected || answer.status === 401) location.reload();
      if (!answer.ok || answer.redirected) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (mayRead()) replace(next);
      else isStale = true;
    } catch {
      fault = "The gateway does not answer.";
    } finally {
      isReading = false;
      show();
    }
    if (isStale) later();
  }

  /** What has the focus has it afterwards too, and what was unfolded stays so. */
  function replace(next) {
    const focus = placeOf(document.activeElement);
    const open = new Set([...main.querySelectorAll("details[open]")].map(({ id }) => id));
    open.delete("");
    keepDone(next);
    main.dataset.live = next.querySelector("main").dataset.live ?? main.dataset.live;
    for (const part of ["nav", "main", ".who"]) {
      const [before, after] = [document.querySelector(part), next.querySelector(part)];
      if (before === null || after === null || before.innerHTML === after.innerHTML) continue;
      if (part === ".who") before.replaceWith(after);
      else before.replaceChildren(...after.childNodes);
    }
    for (const details of main.querySelectorAll("details")) if (open.has(details.id)) details.open = true;
    if (focus !== undefined && document.activeElement === document.body) focusOn(focus);
  }

  function soon(ms) {
    if (timer !== undefined && ms > 0) return;
    clearTimeout(timer);
    timer = setTimeout(read, ms);
  }

  /** While nothing is wrong that was not before the page is read no oftener than it says: that depends on how many are open. */
  const later = () => soon(Math.max(0, readAt + 1_000 * Number(main.dataset.live) - Date.now()));

  /** What was not read while somebody used the page. */
  const again = () => {
    show();
    if (isStale && mayRead()) later();
  };
  for (const event of ["focusout", "input", "change", "reset", "toggle"]) {
    // The focus has moved when all of its events are over.
    main.addEventListener(event, () => setTimeout(again), true);
  }
  watchPointer(main, again);
  document.addEventListener("selectionchange", again);
  document.addEventListener("visibilitychange", again);
  setInterval(() => soon(0), AT_LEAST_MS);

  listen((isNew) => {
    if (isNew) soon(0);
    else later();
  });
}
