// Signing in and out with a browser: by a token, and by a URL that has one.
import { join } from "node:path";
import { expect } from "vitest";
import { originOf, test } from "../support/browser-place.ts";
import { signInAs, TOKENS, withTokens } from "../support/browser-sign-in.ts";
import { freePort } from "../support/peers.ts";
import type { GatewayProcess } from "../support/process.ts";

const portOf = (gateway: GatewayProcess): string => new URL(originOf(gateway)).port;
const pathOf = (url: string): string => new URL(url).pathname;

test("who has no token is led to where one signs in; a wrong one is refused there", async ({
  place,
  open,
}) => {
  const gateway = await place.start(withTokens(place));
  const page = await open(gateway, { path: "/upstreams" });
  expect(pathOf(page.url())).toBe("/login");
  // The field has the focus.
  await page.keyboard.type("mailonce_wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("this token is not known").waitFor();
  expect(await page.content()).not.toContain("mailonce_wrong");
  expect(await page.context().cookies()).toEqual([]);
});

test("a token opens what its role may see, until one signs out", async ({ place, open }) => {
  const gateway = await place.start(withTokens(place));
  const page = await open(gateway, { as: "read", path: "/upstreams" });
  expect(await page.locator(".who").textContent()).toContain("read (read)");
  // A person who may only look has nothing to press.
  expect(await page.locator("main").getByRole("button").count()).toBe(0);
  expect(await page.locator("main").textContent()).toContain(place.outbox);
  expect(await page.evaluate("document.cookie")).toBe("");

  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/login");
  await page.goto("/");
  expect(pathOf(page.url())).toBe("/login");
});

test("without script", async ({ place, open }) => {
  const gateway = await place.start(withTokens(place));
  const page = await open(gateway, { as: "operate", script: false });
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.waitForURL("**/login");
});

test("a URL with a token asks for one press, and leaves the token in no address", async ({ place, open }) => {
  const gateway = await place.start(withTokens(place));
  const page = await open(gateway, { path: `/login?token=${TOKENS.operate}` });
  // A look at the URL is no sign-in.
  expect(await page.context().cookies()).toEqual([]);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("button", { name: "Sign out" }).waitFor();
  expect(page.url()).toBe(`${originOf(gateway)}/`);
  const [cookie] = await page.context().cookies();
  expect(cookie).toMatchObject({ name: `mailonce-${portOf(gateway)}`, httpOnly: true, sameSite: "Strict" });
});

test("a session ends with its token's gateway: the page says so by itself", async ({ place, open }) => {
  const settings = { ...withTokens(place), HTTP_PORT: await freePort() };
  const gateway = await place.start(settings);
  const page = await open(gateway, { as: "operate" });
  await gateway.stop();
  await page.getByRole("button", { name: "No answer" }).waitFor();
  await place.start(settings);
  await page.waitForURL("**/login");
  await signInAs(page, "operate");
});

test("two gateways of one host: who signs in to one stays signed in to the other", async ({
  place,
  open,
}) => {
  const one = await place.start(withTokens(place));
  const two = await place.start({ ...withTokens(place), DATA_DIR: join(place.folder, "other") });
  const pages = [await open(one, { as: "operate" }), await open(two, { as: "read" })];
  // A window has cookies of its own. Here each gets those of both: a cookie takes the place of another with its name.
  const cookies = (await Promise.all(pages.map((page) => page.context().cookies()))).flat();
  for (const page of pages) {
    await page.context().addCookies(cookies);
    await page.reload();
    await page.getByRole("button", { name: "Sign out" }).waitFor();
  }
});
