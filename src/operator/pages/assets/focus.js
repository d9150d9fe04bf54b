// What has the focus, and what has it after the page was read again.

/** What is pressed or filled in, by what it does: the same after its page was read again. */
const CONTROLS = "a, button, summary, input, select, textarea";

const nameOf = ({ id, form, textContent, attributes: { href } }) =>
  id || href?.value || `${form?.getAttribute("action")} ${textContent.replace(/[\d,]/g, "")}`;

const alike = (name) => [...document.querySelectorAll(CONTROLS)].filter((other) => nameOf(other) === name);

/** What has the focus. @param {Element | null} element */
export function placeOf(element) {
  if (element === null || !element.matches(CONTROLS)) return undefined;
  const name = nameOf(element);
  return { name, at: alike(name).indexOf(element) };
}

/** @param {{ name: string, at: number }} place */
export function focusOn({ name, at }) {
  const found = alike(name);
  (found[at] ?? found[0])?.focus({ preventScroll: true });
}
