// What keeps a page as it is: somebody is about to use what is there, to fill in, to send or to copy it.

/** @param {Element} main */
export function isUsed(main) {
  const active = document.activeElement;
  const isField = active?.matches("input, select, textarea") && main.contains(active);
  const selection = getSelection();
  const isSelected =
    selection !== null && !selection.isCollapsed && main.contains(selection.getRangeAt(0).startContainer);
  return isField || isSelected || main.querySelector("input:checked, details[open] form") !== null;
}
