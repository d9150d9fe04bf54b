// What tests of live updates begin with: mail that waits, and how many it is.
import { randomUUID } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Locator, Page } from "./browser.ts";
import type { Open } from "./browser-place.ts";
import { withTokens } from "./browser-sign-in.ts";
import { type Place, smtpAt } from "./place.ts";
import type { GatewayProcess } from "./process.ts";
import { submitMail, taskMail } from "./smtp-client.ts";

export const submit = ({ port }: GatewayProcess): Promise<string> =>
  submitMail(port, { to: ["reader@example.net"], content: taskMail(randomUUID()) });

/** Is there as soon as the page shows so many. */
export const inQueue = (page: Page, count: number): Locator =>
  page.locator("nav .count").filter({ hasText: new RegExp(`^${count}$`) });

/** A gateway whose upstream is paused, with one mail for it. */
export async function startPaused(place: Place, open: Open) {
  const upstream = await place.smtp();
  const gateway = await place.start({ ...withTokens(place), ...smtpAt(upstream.port) });
  const page = await open(gateway, { as: "operate", path: "/upstreams" });
  await page.getByText("Pause", { exact: true }).first().click();
  await page.getByRole("button", { name: "Pause" }).click();
  await page.getByText("An operator has paused it", { exact: true }).waitFor();
  await submit(gateway);
  return { gateway, page };
}

/** A gateway with two upstreams, "first" and "second". */
export async function startTwo(place: Place): Promise<GatewayProcess> {
  const { port } = await place.smtp();
  const smtp = `kind = "smtp"\nsmtp.host = "127.0.0.1"\nsmtp.port = ${port}\nsmtp.tls = "none"\n`;
  const file = join(place.folder, "mailonce.toml");
  writeFileSync(
    file,
    `[upstreams.first]\n${smtp}[upstreams.second]\n${smtp}` +
      '[[routes]]\ndomains = ["shop.example"]\nupstreams = ["second"]\n[[routes]]\nupstreams = ["first"]\n',
  );
  return await place.start({ ...withTokens(place), CONFIG: file });
}
