// What metrics never have: an address, a task, a user, a text of others; and a series for each of them.
import { expect } from "vitest";
import { openDoors, PASSWORDS, token, underTls, writeFiles, writeUsers } from "../support/doors.ts";
import { smtpAt, test } from "../support/place.ts";
import { type Scrape, scrape, scrapedWhen } from "../support/scrape.ts";
import { connectSmtp, submitMail, taskMail } from "../support/smtp-client.ts";

const MAILS = 50;

/** What a client, its task and the upstream can choose; each with a mark. */
const MARK = "mark3d";

const attempted = ({ values }: Scrape): number =>
  [...values].reduce(
    (sum, [series, value]) => sum + (series.startsWith("mailonce_attempts_total") ? value : 0),
    0,
  );

test("fifty mails with names of their own, taken and refused, make no series more than two", async ({
  place,
}) => {
  const refuse = (recipient: string) =>
    recipient.includes("refused") ? `550 5.1.1 ${MARK}-reply-${recipient}` : undefined;
  const upstream = await place.smtp({ refuse });
  const settings = { DATA_DIR: place.data, LEDGER_DOUBTFUL: "hold", ...smtpAt(upstream.port) };
  const gateway = await place.start(settings);
  const submit = (n: number) =>
    submitMail(gateway.port, {
      from: n % 2 === 0 ? "" : `${MARK}-from-${n}@sender.example`,
      to: [`${MARK}-to-${n}@${MARK}-${n}.example`, `${MARK}-refused-${n}@example.net`],
      content: taskMail(`${MARK}-task-${n}`, { subject: `${MARK}-subject` }),
    });
  for (const n of [0, 1]) await submit(n);
  // The second mail has a report.
  const first = await scrapedWhen(gateway, (one) => attempted(one) === 5);
  for (let n = 2; n < MAILS; n++) await submit(n);
  const last = await scrapedWhen(gateway, (one) => attempted(one) === (MAILS / 2) * 5);
  expect([...last.values.keys()].sort()).toEqual([...first.values.keys()].sort());
  expect(last.text.toLowerCase()).not.toContain(MARK);
});

test("nor what strangers say, nor who signs in", async ({ place }) => {
  const users = `${place.folder}/users-made-once`;
  await writeUsers(users, PASSWORDS);
  const { gateway, implicit, plain } = await openDoors(place, writeFiles(place, users));
  const client = await underTls(implicit, "implicit");
  expect(await client.command(`AUTH PLAIN ${token("shop", PASSWORDS.shop)}`)).toMatch(/^235 /);
  await client.command(`AUTH PLAIN ${token(`${MARK}-user`, `${MARK}-password`)}`);
  client.destroy();
  const stranger = await connectSmtp(plain, { from: "127.0.0.5" });
  for (const line of [`EHLO ${MARK}.example`, `MAIL FROM:<${MARK}@sender.example>`, `${MARK} ${MARK}`]) {
    await stranger.command(line);
  }
  stranger.destroy();
  const { text } = await scrape(gateway);
  for (const said of [MARK, "shop", "127.0.0.5"]) expect(text.toLowerCase()).not.toContain(said);
});
