// What operators do most, with the keyboard alone: a mail is searched, a group is tried again, all that is listed is removed, a
// doubt is decided.
import { expect } from "vitest";
import { tabTo } from "../support/browser-keyboard.ts";
import { test } from "../support/browser-place.ts";
import { SCENE, startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";

test("a mail is searched, and its story read", async ({ place, open }) => {
  const { gateway } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "read" });
  await tabTo(page, "Search by id, task or address");
  await page.keyboard.type("reader4@example.net");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Search" }).waitFor();
  await tabTo(page, "reader4@example.net");
  await page.keyboard.press("Enter");
  await page.locator(".answer").waitFor();
  await tabTo(page, "Technical details");
  await page.keyboard.press("Enter");
  await page.getByText("orders-shop.example-4").waitFor();
});

test("a group is tried again, from the first page on", async ({ place, open }) => {
  const { gateway, relent } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "operate" });
  relent();
  await tabTo(page, `Queue ${SCENE.waiting + SCENE.held}`);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/queue");
  await tabTo(page, `Retry ${SCENE.waiting}`);
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText(`${SCENE.waiting} mails are due now.`).waitFor();
  await gateway.logged("transmission.relayed", SCENE.relayed + SCENE.waiting);
});

test.for([true, false])("all that is listed is removed, script: %s", async (script, { place, open }) => {
  const { gateway } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "operate", path: "/queue?state=waiting", script });
  await tabTo(page, `All ${SCENE.waiting} that are listed`);
  await page.keyboard.press("Space");
  await tabTo(page, "Remove…");
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: `Remove ${SCENE.waiting} mails?` }).waitFor();
  await tabTo(page, `Remove ${SCENE.waiting} mails`);
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText(`${SCENE.waiting} mails are removed.`).waitFor();
  await gateway.logged("operator.removed", SCENE.waiting);
});

test("a doubt is decided", async ({ place, open }) => {
  const { gateway } = await startScene(place, { settings: withTokens(place) });
  const page = await open(gateway, { as: "operate" });
  await tabTo(page, `Doubtful ${SCENE.held}`);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/doubtful");
  await tabTo(page, "The upstream has it: reader1@example.com");
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText("1 mail counts as relayed.").waitFor();
  await gateway.logged("operator.resolved");
  expect(gateway.said("operator.resolved")).toMatchObject([{ decision: "relayed", by: "operate" }]);
});
