// The list of the newest mails on the overview: which, what became of each, and what a visitor sees of it.
import { expect, test } from "vitest";
import type { Id } from "../../src/identity/message-id.ts";
import type { Outcome } from "../../src/upstream/upstream.ts";
import { settled } from "../support/held-gateway.ts";
import type { Reply } from "../support/http-place.ts";
import { closed, HOSTILE, openGatewayPages, openPages, textOf } from "../support/pages-place.ts";

const OUTCOMES: readonly (readonly [to: string, outcome: Outcome | undefined, says: string])[] = [
  ["ann@example.net", undefined, "on its way"],
  ["bob@example.net", { kind: "accepted", upstreamId: "1" }, "relayed"],
  ["eve@example.net", { kind: "later", reply: "450 secret reply" }, "not taken yet"],
  ["joe@example.net", { kind: "refused", reply: "550 secret reply" }, "refused for good"],
  ["sue@example.net", { kind: "doubtful", cause: "secret cause" }, "in doubt"],
];

/** Where the links to mails of the list lead. */
const links = ({ body }: Reply): string[] =>
  [...body.matchAll(/<th scope="row" class="address"><a href="\/mails\/([a-z2-7]{32})"/g)].map(
    ([, id = ""]) => id,
  );

test("the newest first, each with what became of it and a link to its story", async () => {
  const { pages, gateway, submit } = closed(await openGatewayPages());
  expect(textOf(await pages.operate("/"))).not.toContain("Newest mails");
  const ids: string[] = [];
  for (const [to, outcome] of OUTCOMES) ids.push(...(await submit([to], outcome)));
  const page = await pages.operate("/");
  expect(links(page)).toEqual(ids.toReversed());
  const text = textOf(page);
  for (const [to, , says] of OUTCOMES) expect(text).toContain(`${to} 0 s ago ${says}`);
  expect(page.body).not.toContain("secret");
  const read = await pages.read(`/mails/${ids[1]}`);
  expect([read.status, textOf(read)]).toEqual([200, expect.stringContaining("Relayed once")]);

  // A repeat is no newer mail.
  await gateway.submit(["bob@example.net"]);
  await gateway.submit(["bob@example.net"]);
  const [doubted = "", refused = ""] = [ids[4], ids[2]];
  await pages.send(`/mails/${doubted}/relayed`);
  await pages.send(`/mails/${refused}/remove`, { yes: "yes" });
  await settled();
  const later = await pages.operate("/");
  expect(links(later)).toEqual(ids.toReversed());
  expect(textOf(later)).toContain("bob@example.net 0 s ago relayed; 2 repeats dropped");
  expect(textOf(later)).toContain("sue@example.net 0 s ago counted as relayed");
  expect(textOf(later)).toContain("eve@example.net 0 s ago removed by an operator");
});

test("ten of them, of one submission too", async () => {
  const { pages, submit } = closed(await openGatewayPages());
  await submit(["first@example.net"]);
  const many = Array.from({ length: 14 }, (_, n) => `many${n}@example.net`);
  const ids = await submit(many);
  expect(links(await pages.operate("/"))).toEqual(ids.slice(4).reverse());
  const [last = ""] = await submit(["last@example.net"], { kind: "accepted", upstreamId: "1" });
  expect(links(await pages.operate("/"))).toEqual([last, ...ids.slice(5).reverse()]);
});

test("a mail that is accepted again is the newest", async () => {
  const { pages, submit } = closed(await openGatewayPages());
  const [first = ""] = await submit(["first@example.net"], { kind: "refused", reply: "550 no" });
  const [other = ""] = await submit(["other@example.net"]);
  expect(links(await pages.operate("/"))).toEqual([other, first]);
  await submit(["first@example.net"]);
  const page = await pages.operate("/");
  expect(links(page)).toEqual([first, other]);
  expect(textOf(page)).toContain("first@example.net 0 s ago on its way");
});

test("a visitor sees addresses masked; markup of strangers runs nowhere", async () => {
  const mail = { id: "a".repeat(32) as Id, at: 0, repeats: 1 };
  const recipient = `${HOSTILE}@example.net`;
  const pages = closed(
    await openPages({
      recent: {
        list: () => [
          { ...mail, recipient: "person@example.net", became: { kind: "accepted" } },
          { ...mail, recipient, became: { kind: "decision", decision: HOSTILE, next: undefined } },
        ],
      },
    }),
  );
  const seen = await pages.visit("/");
  expect(textOf(seen)).toContain("p…@example.net");
  expect(seen.body).not.toContain("person@");
  const read = await pages.read("/");
  expect(textOf(read)).toContain("person@example.net");
  expect(textOf(read)).toContain(recipient);
  for (const { body } of [seen, read]) expect(body).not.toMatch(/<img|<script>|onerror=alert\(1\)>/);
});
