// Keeps a page up to date: reads it again when the gateway says that something has happened, and puts the new content in place
// of the old. Without this script a page is as it was when it was loaded.

/** How often at most, while nothing is wrong that was not before. */
const EVERY_MS = 5_000;
/** Where the gateway has no stream to give. */
const POLL_MS = 15_000;

const main = document.querySelector("main[data-live]");
if (main !== null) begin(main);

/** @param {Element} main */
function begin(main) {
  let isLive = true;
  let isReading = false;
  let readAt = Date.now();
  /** @type {number | undefined} */
  let timer;
  let troubles = "";

  const toggle = document.createElement("button");
  toggle.type = "button";
  toggle.className = "live";
  const show = () => {
    toggle.textContent = isLive ? "Live" : "Paused";
    toggle.setAttribute("aria-pressed", String(isLive));
    toggle.title = isLive
      ? "The page changes as things happen. Press to keep it as it is."
      : "Press to go on.";
  };
  toggle.addEventListener("click", () => {
    isLive = !isLive;
    show();
    if (isLive) void read();
  });
  show();
  document.querySelector("header")?.append(toggle);

  /** Somebody is about to use what is there. */
  const isUsed = () => {
    const active = document.activeElement;
    const isField =
      active instanceof HTMLElement && active.matches("input, select, textarea") && main.contains(active);
    return isField || main.querySelector("input:checked, details[open] form") !== null;
  };

  async function read() {
    timer = undefined;
    if (!isLive || isReading || document.hidden || isUsed()) return;
    isReading = true;
    readAt = Date.now();
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok || answer.redirected) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      if (isLive && !isUsed()) replace(next);
    } catch {
      // The gateway is away; the stream says when it is back.
    } finally {
      isReading = false;
    }
  }

  /** What has the focus has it afterwards too, and what was unfolded stays so. */
  function replace(next) {
    const content = next.querySelector("main");
    const nav = next.querySelector("nav");
    if (content === null) return;
    const focused = document.activeElement?.closest("main [id]")?.id;
    const open = new Set([...main.querySelectorAll("details[open]")].map(({ id }) => id));
    main.replaceChildren(...content.childNodes);
    if (nav !== null) document.querySelector("nav")?.replaceChildren(...nav.childNodes);
    for (const details of main.querySelectorAll("details")) if (open.has(details.id)) details.open = true;
    if (focused !== undefined && focused !== "content") document.getElementById(focused)?.focus();
  }

  function soon(ms) {
    if (timer !== undefined && ms > 0) return;
    clearTimeout(timer);
    timer = setTimeout(read, ms);
  }

  const events = new EventSource("/api/v1/events");
  events.addEventListener("status", ({ data }) => {
    const now = JSON.stringify(JSON.parse(data).troubles);
    const isNew = now !== troubles;
    troubles = now;
    soon(isNew ? 0 : Math.max(0, readAt + EVERY_MS - Date.now()));
  });
  events.addEventListener("mails", () => soon(Math.max(0, readAt + EVERY_MS - Date.now())));
  events.addEventListener("error", () => {
    if (events.readyState === EventSource.CLOSED) setInterval(read, POLL_MS);
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) void read();
  });
}
