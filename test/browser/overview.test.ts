// The first page: what is wrong comes first, soon, with what can be done; and what was prevented.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { test } from "../support/browser-place.ts";
import { withTokens } from "../support/browser-sign-in.ts";
import { freePort } from "../support/peers.ts";
import { type Place, smtpAt } from "../support/place.ts";
import type { Settings } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const mailTo = (to: string, task: string = randomUUID()) => ({ to: [to], content: taskMail(task) });

/** From the first mail until a person sees it. */
const SOON_MS = 5_000;

const DEAD: readonly (readonly [string, RegExp, (place: Place) => Promise<Settings>])[] = [
  ["refuses connections", /ECONNREFUSED/, async () => smtpAt(await freePort())],
  [
    "refuses the password",
    /535 5\.7\.8 wrong/,
    async (place) => {
      const { port } = await place.smtp({ auth: { username: "me", password: "right" } });
      return {
        ...smtpAt(port),
        ...{ UPSTREAM_SMTP_USERNAME: "me", UPSTREAM_SMTP_PASSWORD: "other" },
      };
    },
  ],
  [
    "closes after its greeting",
    /421 4\.3\.2 closing/,
    async (place) => smtpAt((await place.smtp({ script: "421-at-greeting" })).port),
  ],
];

test.for(DEAD)(
  "an upstream that %s is the first thing within 5 s",
  async ([, reason, make], { place, open }) => {
    const gateway = await place.start({ ...withTokens(place), ...(await make(place)) });
    const page = await open(gateway, { as: "operate" });
    await page.getByText("Mail is taken and relayed.").waitFor();
    const begun = Date.now();
    await submitMail(gateway.port, mailTo("reader@example.net"));
    const first = page.locator("main > :not(h1)").first().getByRole("listitem").first();
    await first.getByRole("button", { name: "Try now" }).waitFor();
    expect(Date.now() - begun).toBeLessThan(SOON_MS);
    expect(await first.textContent()).toMatch(/upstream has taken nothing/);
    expect(await first.locator("q").textContent()).toMatch(reason);
  },
);

test("the button tries one mail at once, and the rest follows", async ({ place, open }) => {
  const upstream = await place.smtp({ script: "421-at-greeting" });
  const gateway = await place.start({ ...withTokens(place), ...smtpAt(upstream.port) });
  const page = await open(gateway, { as: "operate" });
  for (const to of ["one@example.net", "two@example.net"]) await submitMail(gateway.port, mailTo(to));
  await page.locator("main").getByRole("button", { name: "Try now" }).waitFor();
  upstream.play("accept");
  await page.locator("main").getByRole("button", { name: "Try now" }).click();
  await gateway.logged("transmission.relayed", 2);
  await page.goto("/");
  await page.getByText("Mail is taken and relayed.").waitFor();
});

test("who has no token sees that it fails, and neither why nor a button", async ({ place, open }) => {
  const port = await freePort();
  const gateway = await place.start({ ...smtpAt(port), LOG_ADDRESSES: "true" });
  const page = await open(gateway);
  await submitMail(gateway.port, mailTo("reader@example.net"));
  await page.getByText("upstream has taken nothing").waitFor();
  for (const path of ["/", "/upstreams"]) {
    await page.goto(path);
    expect(await page.locator("main").getByRole("button").count()).toBe(0);
    expect(await page.content()).not.toMatch(new RegExp(`ECONNREFUSED|${port}|reader@`));
  }
});

test("the first minute: three are relayed, three second mails prevented", async ({ place, open }) => {
  const gateway = await place.start();
  const page = await open(gateway);
  const task = randomUUID();
  for (const run of ["queued as", "repeat of"]) {
    for (const name of ["ada", "grace", "edsger"]) {
      expect(await submitMail(gateway.port, mailTo(`${name}@example.com`, task))).toContain(run);
    }
  }
  await page.getByText("3 second mails prevented").waitFor();
  await page.locator(".key.relayed").getByText("3 relayed").waitFor();
  await page.locator(".key.repeats").getByText("3 repeats").waitFor();
  const mails = page.locator("main tr", { hasText: "relayed; 1 repeat dropped" });
  expect(await mails.getByRole("link").allTextContents()).toEqual([
    ...["e…@example.com", "g…@example.com", "a…@example.com"],
  ]);
  await mails.first().getByRole("link").click();
  await page.getByText(/^Relayed once, at .*; 1 repeat dropped\.$/).waitFor();
});
