// A person who has a keyboard only, and sees where they are.
import { expect } from "vitest";
import type { Page } from "./browser.ts";

interface Focused {
  readonly text: string;
  readonly isSeen: boolean;
}

/** What has the focus, and whether a person sees that it has. */
const FOCUSED = `(() => {
  const element = document.activeElement;
  const { outlineStyle, outlineWidth } = getComputedStyle(element);
  const { top, bottom, width } = element.getBoundingClientRect();
  const text = element.labels?.[0]?.textContent ?? element.ariaLabel ?? element.textContent;
  const isInView = bottom > 0 && top < innerHeight && width > 1;
  return { text: text.trim(), isSeen: isInView && outlineStyle !== "none" && parseFloat(outlineWidth) >= 2 };
})()`;

/** A page has fewer places. */
const STEPS_MAX = 80;

/** Goes on until the element with the text has the focus. All on the way there show theirs. */
export async function tabTo(page: Page, text: string): Promise<void> {
  const passed: string[] = [];
  for (let steps = 0; steps < STEPS_MAX; steps++) {
    await page.keyboard.press("Tab");
    const focused = await page.evaluate<Focused>(FOCUSED);
    expect(focused).toMatchObject({ isSeen: true });
    if (focused.text === text) return;
    passed.push(focused.text);
  }
  throw new Error(`Tab never comes to ${text}: ${passed.join(", ")}`);
}
