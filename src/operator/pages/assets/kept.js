// What keeps a page as it is: somebody is about to use what is there, to fill in, to send, to press or to copy it.

/** Who has just moved to something looks at it, and presses it next. */
const POINTED_MS = 2_000;
/** A pointer that never rests keeps the page so long at most. */
const POINTED_MAX_MS = 20_000;

const PRESSED = "button, form[method=post]";

/** What can be pressed, or the row that says what it is about. @param {Element} target */
const isPressable = (target) =>
  target.closest(PRESSED) !== null || target.closest("tr, li")?.querySelector(`${PRESSED}, input`) != null;

let isPointed = false;
let pointedSince = 0;

/**
 * Has what is pointed at stay where it is.
 * @param {Element} main
 * @param {() => void} rested the pointer rests, or is elsewhere
 */
export function watchPointer(main, rested) {
  /** @type {number | undefined} */
  let timer;
  const pointed = ({ target }) => {
    if (!isPressable(target)) return;
    if (!isPointed) pointedSince = Date.now();
    isPointed = true;
    clearTimeout(timer);
    timer = setTimeout(() => {
      isPointed = false;
      rested();
    }, POINTED_MS);
  };
  for (const event of ["pointermove", "pointerdown"]) main.addEventListener(event, pointed);
}

/** @param {Element} main */
export function isUsed(main) {
  const active = document.activeElement;
  const isField = active?.matches("input, select, textarea") && main.contains(active);
  const selection = getSelection();
  const isSelected =
    selection !== null && !selection.isCollapsed && main.contains(selection.getRangeAt(0).startContainer);
  const isAimed = isPointed && Date.now() - pointedSince < POINTED_MAX_MS;
  return isField || isSelected || isAimed || isFilledIn(main);
}

/** A field that is seen has another value than it came with. @param {Element} main */
export const isFilledIn = (main) =>
  [...main.querySelectorAll("input:not([type=hidden]), select, textarea")].some(
    (field) => isChanged(field) && field.closest("details:not([open])") === null,
  );

function isChanged({ options, selectedIndex, value, defaultValue, checked, defaultChecked }) {
  if (options === undefined) return value !== defaultValue || checked !== defaultChecked;
  const chosen = [...options].findIndex(({ defaultSelected }) => defaultSelected);
  return selectedIndex !== Math.max(0, chosen);
}
