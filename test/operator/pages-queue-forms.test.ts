// Orders by the forms of the page of the queue: what each posts, what is asked about first, and what is refused.
import { expect, test } from "vitest";
import { MARKUP, openQueuePages, textOf } from "../support/queue-pages.ts";
import { idOf } from "../support/transmission.ts";

test("the page says how many were looked at, and its button posts those that it counts", async () => {
  const { page, post, given } = await openQueuePages(
    Array.from({ length: 1_050 }, (_, at) => ({
      lastReply: at < 12 ? `450 greylisted ${at}` : "421 down",
    })),
    { as: "operate" },
  );
  const seen = await page();
  expect(textOf(seen)).toContain("Of the first 1,000 mails looked at.");
  expect(textOf(seen)).toContain("988 of one cause: 421 down");
  expect(textOf(await page("?to=r3@one.example"))).toContain("1 of one cause");
  const [, ids = ""] = /name="id" value="([^"]*)"><button id="[^"]*">Retry 988</.exec(seen.body) ?? [];
  const { status, headers } = await post("/queue/retry", [["id", ids]]);
  expect([status, headers.location]).toEqual([303, "/queue?done=retry&count=988"]);
  expect(given).toHaveLength(988);
  expect(new Set(given).size).toBe(988);
  expect(given[0]).toMatch(/^retry [a-z2-7]{32} ann$/);
});

test("each order is given with who gives it, and the answer leads back to the same view", async () => {
  const { page, post, given } = await openQueuePages([{}, {}], { as: "operate" });
  const back = [
    ["state", "waiting"],
    ["task", "a b&c"],
  ] as const;
  const { status, headers } = await post("/queue/hold", [["id", idOf(0)], ["id", idOf(1)], ...back]);
  expect([status, headers.location]).toEqual([303, "/queue?state=waiting&task=a+b%26c&done=hold&count=2"]);
  expect(given).toEqual([`hold ${idOf(0)} ann`, `hold ${idOf(1)} ann`]);
  expect(textOf(await page("?done=hold&count=2"))).toContain(
    "2 mails are held, until somebody releases them.",
  );
  expect(textOf(await page("?done=retry&count=0&busy=1&absent=2"))).toContain(
    "0 mails are due now. Not done: 2 not in the queue any more; 1 being attempted just now: try again.",
  );
});

test("what was not done is counted by its reason", async () => {
  const { post } = await openQueuePages([{}], { as: "operate", ordered: { ok: false, why: "busy" } });
  const { headers } = await post("/queue/retry", [["id", `${idOf(0)} ${idOf(7)}`]]);
  expect(headers.location).toBe("/queue?done=retry&count=0&busy=1&absent=1");
});

test("what destroys is asked about first", async () => {
  const { post, given } = await openQueuePages([{}, {}], { as: "operate" });
  const ids = [
    ["id", idOf(0)],
    ["id", idOf(1)],
  ] as const;
  const removing = await post("/queue/remove", ids);
  expect([removing.status, textOf(removing)]).toEqual([200, expect.stringContaining("Remove 2 mails?")]);
  expect(textOf(removing)).toContain("r0@one.exampler1@one.example");
  const refusing = await post("/queue/bounce", ids);
  expect([refusing.status, textOf(refusing)]).toEqual([200, expect.stringContaining("Bounce 2 mails?")]);
  expect(given).toEqual([]);
  const [, all = ""] = /name="id" value="([^"]*)"/.exec(removing.body) ?? [];
  expect(all).toBe(`${idOf(0)} ${idOf(1)}`);
  expect(
    (
      await post("/queue/remove", [
        ["id", all],
        ["yes", "yes"],
      ])
    ).headers.location,
  ).toBe("/queue?done=remove&count=2");
  await post("/queue/bounce", [
    ["id", idOf(0)],
    ["reason", "a test address"],
  ]);
  expect(given.at(-1)).toBe(`bounce ${idOf(0)} a test address ann`);
  const { body } = await post("/queue/remove", [
    ["id", idOf(0)],
    ["task", MARKUP],
    ["reason", MARKUP],
  ]);
  expect(body).not.toMatch(/<script>|<img|onerror='/);
});

test("all that are listed are meant by one tick: those of the page, not what has come since", async () => {
  const { page, post, given } = await openQueuePages(
    Array.from({ length: 105 }, () => ({})),
    { as: "operate" },
  );
  const first = await page();
  expect(textOf(first)).toContain("All 100 that are listed");
  const [, listed = ""] = /name="listed" value="([^"]*)"/.exec(first.body) ?? [];
  const all = [
    ["listed", listed],
    ["all", "yes"],
  ] as const;
  const asked = await post("/queue/remove", all);
  expect(textOf(asked)).toContain("Remove 100 mails?");
  expect(textOf(asked)).toContain("and 90 more");
  expect(asked.body.match(/<li><a href="\/mails\/[a-z2-7]{32}">r\d+@one\.example<\/a><\/li>/g)).toHaveLength(
    10,
  );
  expect(given).toEqual([]);
  const held = await post("/queue/hold", [...all, ["id", idOf(0)]]);
  expect(held.headers.location).toBe("/queue?done=hold&count=100");
  expect(given.map((line) => line.split(" ")[1])).toEqual(listed.split(" "));
  // Without the tick, those that are chosen.
  await post("/queue/hold", [
    ["listed", listed],
    ["id", idOf(3)],
  ]);
  expect(given.slice(100)).toEqual([`hold ${idOf(3)} ann`]);
  expect((await post("/queue/hold", [["listed", listed]])).status).toBe(400);
});

test("the question says to whom the mails are, of strangers' markup too, and what has left meanwhile", async () => {
  const { post } = await openQueuePages([{ recipient: `${MARKUP}@one.example` }], { as: "operate" });
  const asked = await post("/queue/bounce", [["id", `${idOf(0)} ${idOf(7)}`]]);
  expect(textOf(asked)).toContain(`${idOf(7)}, not in the queue any more`);
  expect(asked.body).toContain("&lt;script&gt;");
  expect(asked.body).not.toMatch(/<script>|<img|onerror='/);
});

test.each([
  ["hold", [], "id: choose at least one mail"],
  ["hold", [["id", "a".repeat(31)]], "this is no id"],
  [
    "retry",
    [
      ["id", idOf(0)],
      ["resend", "yes"],
    ],
    "resend",
  ],
  [
    "remove",
    [
      ["id", idOf(0)],
      ["yes", "maybe"],
    ],
    "yes: ",
  ],
  [
    "bounce",
    [
      ["id", idOf(0)],
      ["reason", "two\nlines"],
    ],
    "reason: expected one line of text",
  ],
  [
    "hold",
    [["id", Array.from({ length: 1_001 }, (_, at) => idOf(at)).join(" ")]],
    "at most 1,000 mails at once",
  ],
  [
    "hold",
    [
      ["id", idOf(0)],
      ["state", "due"],
      ["state", "held"],
    ],
    "state: ",
  ],
] as const)("%s with wrong fields changes nothing: %j", async (kind, fields, fault) => {
  const { post, given } = await openQueuePages([{}], { as: "operate" });
  const { status, body, headers } = await post(`/queue/${kind}`, fields);
  expect([status, body]).toEqual([400, expect.stringContaining(fault)]);
  expect(headers["content-type"]).toContain("text/html");
  expect(given).toEqual([]);
});
