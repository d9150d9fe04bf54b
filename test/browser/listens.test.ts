// Mail that waits for SES's events, on each page that shows it: until when, what deciding before risks, and nothing that
// axe-core finds, in both colour schemes, on a telephone and on a screen.
import { randomUUID } from "node:crypto";
import { expect } from "vitest";
import { look, WIDTHS } from "../support/accessibility.ts";
import { SCHEMES } from "../support/browser.ts";
import { test as base } from "../support/browser-place.ts";
import { withTokens } from "../support/browser-sign-in.ts";
import { createEventsPlace } from "../support/events-place.ts";
import { sesAt } from "../support/place.ts";
import { submitMail, taskMail } from "../support/smtp-client.ts";

const test = base.extend("waiting", { scope: "file" }, async ({ shared }) => {
  const events = await createEventsPlace();
  shared.atEnd(() => events.close());
  const gateway = await shared.start({
    ...sesAt(await shared.ses({ script: "drop-before-reply" })),
    ...{ UPSTREAM_SES_EVENTS_QUEUE_URL: events.queueUrl, UPSTREAM_SES_EVENTS_WAIT: "2h" },
    ...{ LEDGER_DOUBTFUL: "resend", LOG_ADDRESSES: "true", ...withTokens(shared) },
  });
  await submitMail(gateway.port, { to: ["reader@example.com"], content: taskMail(randomUUID()) });
  await gateway.logged("transmission.doubtful");
  const [line] = gateway.said("transmission.doubtful");
  return { gateway, id: String(line?.messageId).slice(1, 33) };
});

const views = SCHEMES.flatMap((scheme) => WIDTHS.map((width) => ({ scheme, width })));

test.for(views)("$scheme, $width pixels", async (view, { waiting: { gateway, id }, open }) => {
  const page = await open(gateway, { as: "operate", ...view });
  const texts = {
    "/": "1 waits for SES's events until",
    "/queue": "SES's events may come, policy acts in 1 h",
    "/doubtful": "before the events came, may make the second copy",
    [`/mails/${id}`]: "then it is sent again, with the same Message-ID",
  };
  for (const [path, text] of Object.entries(texts)) {
    await page.goto(path);
    await page.getByText(text).first().waitFor();
    expect([path, await page.getByText("wait for a decision").count()]).toEqual([path, 0]);
    expect([path, await page.getByText("waits for a decision").count()]).toEqual([path, 0]);
    await look(page);
  }
  const button = page.getByRole("button", { name: "does not have it: send" });
  expect(await button.locator("xpath=..").textContent()).toContain("this may make the second copy");
});
