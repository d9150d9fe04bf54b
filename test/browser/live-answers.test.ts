// A page says so when the gateway does not answer, or not with the page; and goes on by itself.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { test } from "../support/browser-place.ts";
import type { GatewayProcess } from "../support/process.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const submit = ({ port }: GatewayProcess): Promise<string> =>
  submitMail(port, { to: ["reader@example.net"], content: taskMail(randomUUID()) });

const isPage = ({ pathname }: URL): boolean => pathname === "/";

for (const status of [500, 503]) {
  test(`what is answered with ${status} is not shown as live`, async ({ place, open }) => {
    const gateway = await place.start();
    const page = await open(gateway);
    const toggle = page.locator("button.live");
    await page.route(isPage, (route) => route.fulfill({ status, body: "no" }));
    await submit(gateway);
    await toggle.getByText("No answer").waitFor();
    expect(await toggle.getAttribute("title")).toContain(`can't show this now (${status})`);
    await page.locator(".key.relayed").getByText("0 relayed").waitFor();
    await page.unroute(isPage);
    await submit(gateway);
    await toggle.getByText("Live").waitFor();
    await page.locator(".key.relayed").getByText("2 relayed").waitFor();
  });
}
