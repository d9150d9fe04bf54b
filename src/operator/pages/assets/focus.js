// What has the focus, and what has it after the page was read again.

const HEADINGS = "h1, h2";

/** What is pressed or filled in, by what it does: the same after its page was read again. */
const CONTROLS = `a, button, summary, input, select, textarea, ${HEADINGS}`;

const nameOf = ({ id, localName, form, parentElement, textContent, attributes: { href } }) =>
  id ||
  href?.value ||
  (localName === "summary" && parentElement.id) ||
  `${localName} ${form?.getAttribute("action")} ${textContent.replace(/[\d,]/g, "")}`;

const alike = (name) => [...document.querySelectorAll(CONTROLS)].filter((other) => nameOf(other) === name);

/** What has the focus. @param {Element | null} element */
export function placeOf(element) {
  if (element === null || !element.matches(CONTROLS)) return undefined;
  const name = nameOf(element);
  const all = alike(name);
  const heading = [...document.querySelectorAll(HEADINGS)].findLast(
    (one) => one.compareDocumentPosition(element) & Node.DOCUMENT_POSITION_FOLLOWING,
  );
  return { name, at: all.indexOf(element), count: all.length, heading: heading && nameOf(heading) };
}

/**
 * Where it is not certain which one is meant, the heading above it has the focus: nobody presses another one by Enter, and Tab
 * goes on near it.
 * @param {{ name: string, at: number, count: number, heading?: string }} place
 */
export function focusOn({ name, at, count, heading }) {
  const found = alike(name);
  const same = found.length === count ? found[at] : undefined;
  const next = same ?? alike(heading)[0] ?? document.querySelector("main");
  if (next.matches(HEADINGS)) next.tabIndex = -1;
  next.focus({ preventScroll: true });
}
