// A page stays as it is while somebody is about to use it, says why, and goes on by itself.
import { expect } from "vitest";
import type { Page } from "../support/browser.ts";
import { inQueue, startPaused, startTwo, submit } from "../support/browser-live.ts";
import { type Open, test } from "../support/browser-place.ts";
import type { Place } from "../support/place.ts";

test("what was filled in stays without the focus, until it is emptied", async ({ place, open }) => {
  const { gateway, page } = await startPaused(place, open);
  await page.goto("/queue");
  const toggle = page.locator("button.live");
  const task = page.locator("main [name=task]");
  const state = page.locator("main [name=state]");
  const watching = await open(gateway, { as: "operate" });
  const fillings = [
    [() => task.fill("orders"), () => task.fill("")],
    [() => state.selectOption("held"), () => state.evaluate((field) => Reflect.get(field, "form").reset())],
    [() => page.getByRole("checkbox").first().check(), () => page.getByRole("checkbox").first().uncheck()],
  ] as const;
  for (const [at, [fill, empty]] of fillings.entries()) {
    await inQueue(page, at + 1).waitFor();
    await fill();
    await page.locator("h1").click();
    await toggle.getByText("Kept: a form is filled in").waitFor();
    await submit(gateway);
    await inQueue(watching, at + 2).waitFor();
    expect(await inQueue(page, at + 1).count()).toBe(1);
    await empty();
    await page.locator("h1").click();
    await toggle.getByText("Live").waitFor();
  }
  await inQueue(page, fillings.length + 1).waitFor();
});

test("what was filled in below a fold counts while it is unfolded", async ({ place, open }) => {
  const { page } = await startPaused(place, open);
  await page.getByRole("button", { name: "Resume" }).click();
  const toggle = page.locator("button.live");
  await page.locator("summary").click();
  await page.getByLabel("Reason").fill("a move");
  await page.locator("h1").click();
  await toggle.getByText("Kept: a form is filled in").waitFor();
  await page.locator("summary").click();
  await toggle.getByText("Live").waitFor();
});

/** Two upstreams, both paused; somebody points at the button of the second, and somebody else resumes the first. */
async function startPointing(place: Place, open: Open) {
  const gateway = await startTwo(place);
  const other = await open(gateway, { as: "operate", path: "/upstreams" });
  for (const name of ["first", "second"]) {
    const card = other.getByRole("region", { name });
    await card.locator("summary").click();
    await card.getByRole("button", { name: "Pause" }).click();
    await card.getByText("An operator has paused it", { exact: true }).waitFor();
  }
  const page = await open(gateway, { as: "operate" });
  const button = page.locator("[id='resume-second']");
  let moves = 0;
  // Wherever it is now: the page may just have been replaced.
  const point = () => button.hover({ force: true, position: { x: 4 + (moves++ % 2), y: 4 } });
  const resumeFirst = async () => {
    await other.locator("[id='resume-first']").click();
    await gateway.logged("operator.resumed");
  };
  return { gateway, page, point, resumeFirst };
}

/** Of the first upstream. */
const trouble = (page: Page) => page.locator("[id='resume-first']");

test("what was just pointed at stays where it is; then the page goes on by itself", async ({
  place,
  open,
}) => {
  const { page, point, resumeFirst } = await startPointing(place, open);
  await trouble(page).waitFor();
  await page.evaluate(`(() => {
    const main = document.querySelector("main");
    main.addEventListener("pointermove", () => { window.pointedAt = performance.now(); });
    new MutationObserver(() => {
      if (document.getElementById("resume-first") === null) window.keptFor ??= performance.now() - window.pointedAt;
    }).observe(main, { childList: true, subtree: true });
  })()`);
  await point();
  await resumeFirst();
  await point();
  await trouble(page).waitFor({ state: "detached" });
  expect(await page.evaluate("window.keptFor")).toBeGreaterThan(1_990);
});

test("a pointer that never rests does not keep the page for ever", async ({ place, open }) => {
  const { page, point, resumeFirst } = await startPointing(place, open);
  await page.clock.install();
  await page.reload();
  await trouble(page).waitFor();
  await point();
  await page.clock.setSystemTime(Date.now() + 20_000);
  await resumeFirst();
  while ((await trouble(page).count()) > 0) await point();
});
