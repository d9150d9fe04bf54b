// What a form has done is in the query of the page that it leads to, and said above its content: once.

/** Long enough to be read. */
const SHOWN_MS = 15_000;

let shownUntil = Date.now() + SHOWN_MS;
document.addEventListener("visibilitychange", () => {
  if (!document.hidden) shownUntil = Date.now() + SHOWN_MS;
});
forget();

/** Who loads the page again, or reads it again, sees what is so and not what was done. What was done is last in a query. */
function forget() {
  const url = new URL(location.href);
  const names = [...url.searchParams.keys()];
  const at = names.indexOf("done");
  if (at < 0) return;
  for (const name of names.slice(at)) url.searchParams.delete(name);
  history.replaceState(history.state, "", url);
}

/** @param {Document} next the page as it was read again */
export function keepDone(next) {
  const done = document.querySelector("main .done");
  if (done !== null && Date.now() < shownUntil) next.querySelector("main h1")?.after(done.cloneNode(true));
}
