// A page stays as it is while somebody is about to use it, says why, and goes on by itself.
import { expect } from "vitest";
import { inQueue, startPaused, submit } from "../support/browser-live.ts";
import { test } from "../support/browser-place.ts";

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
