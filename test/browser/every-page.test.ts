// What holds of every page, in both colour schemes, on a telephone and on a screen: axe-core finds nothing, and nothing is
// wider than the window.
import { join } from "node:path";
import { expect } from "vitest";
import { look, WIDTHS } from "../support/accessibility.ts";
import { SCHEMES } from "../support/browser.ts";
import { readPaths, visitedPaths } from "../support/browser-pages.ts";
import { test as base } from "../support/browser-place.ts";
import { SCENE, startScene } from "../support/browser-scene.ts";
import { withTokens } from "../support/browser-sign-in.ts";

const LONG = "w".repeat(60);

const words = { reader: LONG, task: LONG.repeat(3), reply: `450 4.2.0 ${LONG.repeat(3)}`, subject: LONG };

const test = base
  .extend("scene", { scope: "file" }, ({ shared }) =>
    startScene(shared, { settings: withTokens(shared), words }),
  )
  .extend("visited", { scope: "file" }, ({ shared }) =>
    startScene(shared, { settings: { DATA_DIR: join(shared.folder, "visited") }, words }),
  );

// Colours are the scheme's and places the width's, so each is seen once.
const views = SCHEMES.map((scheme, at) => ({ scheme, width: WIDTHS[at] ?? WIDTHS[0] }));

for (const view of views) {
  const { scheme, width } = view;
  test(`${scheme}, ${width} pixels: who decides`, async ({ scene, open }) => {
    const page = await open(scene.gateway, { as: "operate", ...view });
    for (const path of await readPaths(page)) {
      await page.goto(path);
      await look(page);
    }
  });

  test(`${scheme}, ${width} pixels: signing in, and what is refused`, async ({ scene, open }) => {
    const page = await open(scene.gateway, { path: "/login", ...view });
    await look(page);
    await page.getByLabel("Token").fill("mailonce_wrong");
    await page.keyboard.press("Enter");
    await page.getByRole("alert").waitFor();
    await look(page);
  });

  test(`${scheme}, ${width} pixels: a visitor`, async ({ visited, open }) => {
    const page = await open(visited.gateway, view);
    for (const path of [...(await visitedPaths(page)), "/search?q=none-such", "/login"]) {
      await page.goto(path);
      await look(page);
    }
  });

  test(`${scheme}, ${width} pixels: what is asked before, and a path that leads nowhere`, async ({
    scene,
    open,
  }) => {
    const page = await open(scene.gateway, { as: "operate", ...view });
    for (const order of ["Bounce", "Remove"]) {
      await page.goto("/queue?state=waiting");
      await page.getByLabel("that are listed").check();
      await page.getByRole("button", { name: `${order}…` }).click();
      await page.getByRole("heading", { name: `${order} ${SCENE.waiting} mails?` }).waitFor();
      expect(await page.locator("main li").allTextContents()).toEqual(
        expect.arrayContaining([`${LONG}1@example.com`]),
      );
      await look(page);
    }
    for (const path of [`/${LONG.repeat(3)}`, "/queue/remove", `/mails/${"a".repeat(32)}`, "/mails/none"]) {
      await page.goto(path);
      await page.getByRole("heading", { level: 1 }).waitFor();
      await look(page);
    }
  });
}
