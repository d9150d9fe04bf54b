// What keeps a page as it is: somebody is about to use what is there, to fill in, to send or to copy it.

/** @param {Element} main */
export function isUsed(main) {
  const active = document.activeElement;
  const isField = active?.matches("input, select, textarea") && main.contains(active);
  const selection = getSelection();
  const isSelected =
    selection !== null && !selection.isCollapsed && main.contains(selection.getRangeAt(0).startContainer);
  return isField || isSelected || isFilledIn(main);
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
