// What operators do about mails: a group is tried again, a doubt is decided, a mail is held, released, refused and removed;
// with script and without.
import { expect } from "vitest";
import type { Page } from "../support/browser.ts";
import { test } from "../support/browser-place.ts";
import { SCENE, startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";

const done = (page: Page, text: string): Promise<void> =>
  page.getByRole("status").filter({ hasText: text }).waitFor();

for (const script of [true, false]) {
  const how = script ? "with script" : "without script";

  test(`a group of one cause is tried again, ${how}`, async ({ place, open }) => {
    const { gateway, relent } = await startScene(place, { settings: withTokens(place) });
    const page = await open(gateway, { as: "operate", path: "/queue", script });
    await page.getByText("of one cause:").waitFor();
    expect(await page.locator(".causes q").first().textContent()).toContain("450 4.2.0 greylisted");
    relent();
    await page.getByRole("button", { name: `Retry ${SCENE.waiting}` }).click();
    await done(page, `${SCENE.waiting} mails are due now.`);
    await gateway.logged("transmission.relayed", SCENE.relayed + SCENE.waiting);
  });

  test(`doubt is decided on the mail's page and in the list, ${how}`, async ({ place, open }) => {
    const { gateway } = await startScene(place, { settings: withTokens(place) });
    const page = await open(gateway, { as: "operate", path: "/doubtful", script });
    const rows = page.locator("main tbody tr");
    expect(await rows.count()).toBe(SCENE.held);
    await rows.first().getByRole("link").click();
    await page.getByRole("button", { name: "partner has it", exact: true }).click();
    await done(page, "It counts as relayed now.");
    await page.getByRole("link", { name: "Doubtful" }).click();
    await page.waitForURL("**/doubtful");
    expect(await rows.count()).toBe(SCENE.held - 1);
    await rows.first().getByRole("button", { name: "does not have it: send" }).click();
    await done(page, "1 mail counts as not relayed");
    await gateway.logged("operator.resolved", SCENE.held);
    expect(gateway.said("operator.resolved").map(({ decision }) => decision)).toEqual([
      "relayed",
      "not-relayed",
    ]);
  });

  test(`mails are held, released, refused and removed, ${how}`, async ({ place, open }) => {
    const { gateway } = await startScene(place, { settings: withTokens(place) });
    const page = await open(gateway, { as: "operate", path: "/queue?state=waiting", script });
    const boxes = page.locator("main tbody input[type=checkbox]");
    await boxes.nth(0).check();
    await boxes.nth(1).check();
    await page.getByRole("button", { name: "Hold", exact: true }).click();
    await done(page, "2 mails are held");

    await page.goto("/queue?state=held&upstream=relay");
    await boxes.nth(0).check();
    await page.getByRole("button", { name: "Release", exact: true }).click();
    await done(page, "1 mail is released");
    await boxes.nth(0).check();
    await page.getByRole("button", { name: "Bounce…" }).click();
    await page.getByLabel("Reason").fill("a wrong list");
    await page.getByRole("button", { name: "Bounce 1 mail" }).click();
    await done(page, "1 mail is refused");
    await gateway.logged("operator.bounced");
    expect(gateway.said("operator.bounced")).toMatchObject([{ reason: "a wrong list", by: "operate" }]);

    await page.goto("/queue?state=waiting");
    await boxes.nth(0).check();
    await page.getByRole("button", { name: "Remove…" }).click();
    await page.getByRole("button", { name: "Remove 1 mail" }).click();
    await done(page, "1 mail is removed");
    await gateway.logged("operator.removed");
  });
}

test("a mail tells its story in a sentence and a timeline; what is unfolded stays so", async ({
  place,
  open,
}) => {
  const { gateway } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "operate", path: "/queue?state=waiting" });
  await page.locator("main tbody th a").first().click();
  await page.locator(".answer").waitFor();
  await page.getByText("Technical details").click();
  await page.evaluate("window.isMarked = true");
  const before = await page.locator("main").innerHTML();
  await page.getByRole("button", { name: "Live" }).waitFor();
  const other = await open(gateway, { as: "operate", path: page.url() });
  await other.getByRole("button", { name: "Hold" }).click();
  await done(other, "It is held now.");
  await page.getByRole("button", { name: "Release" }).waitFor();
  expect(await page.locator("main").innerHTML()).not.toBe(before);
  expect(await page.locator("details#technical").getAttribute("open")).not.toBeNull();
  expect(await page.evaluate("window.isMarked")).toBe(true);
});
