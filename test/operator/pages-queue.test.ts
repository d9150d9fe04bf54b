// The page of the queue: what it shows to whom, with markup in every text; filters and pages.
import { describe, expect, test } from "vitest";
import { MARKUP, openQueuePages, recipientsIn, textOf } from "../support/queue-pages.ts";
import { idOf } from "../support/transmission.ts";

describe("what is shown", () => {
  test("markup in an address, a task, a reply and a filter is text", async () => {
    const mail = {
      recipient: `"${MARKUP}"@one.example`,
      task: MARKUP,
      lastReply: `450 ${MARKUP} ${"x".repeat(99)}`,
    };
    for (const as of ["read", "operate"] as const) {
      const { page } = await openQueuePages([mail], { as });
      for (const query of [
        "",
        `?task=${encodeURIComponent(MARKUP)}`,
        `?upstream=${encodeURIComponent(MARKUP)}`,
      ]) {
        const { status, body } = await page(query);
        expect(status).toBe(200);
        expect(body).toContain("&lt;script&gt;alert(1)");
        expect(body).not.toMatch(/<script>|<img|onerror='/);
      }
      for (const name of ["state", "older", "to", "cursor", "more", "done", "count"]) {
        const { body } = await page(`?${name}=${encodeURIComponent(MARKUP)}`);
        expect(body).not.toMatch(/<script>|<img|onerror='/);
      }
    }
  });

  test("a visitor sees masked addresses, and no task, reply, cause or button", async () => {
    const { page, post, given } = await openQueuePages([
      { recipient: "person@one.example", task: "secret-task", lastReply: "450 secret reply" },
    ]);
    const seen = await page();
    expect(seen.status).toBe(200);
    expect(recipientsIn(seen)).toEqual(["p…@one.example"]);
    expect(seen.body).not.toMatch(
      /person|secret|mailer\.example|sender\.example|<button id|checkbox|name="task"|name="to"/,
    );
    expect(textOf(seen)).toContain("53 mails wait, 12 due; 2 are held.");
    for (const filter of ["to=person@one.example", "task=secret-task"]) {
      const refused = await page(`?${filter}`);
      expect([refused.status, textOf(refused)]).toEqual([
        403,
        expect.stringContaining("without a token, filter by state, upstream, older"),
      ]);
    }
    expect(recipientsIn(await page("?state=waiting&upstream=main&task=&to=&older="))).toHaveLength(1);
    expect((await post("/queue/retry", [["id", idOf(0)]])).status).toBe(303);
    expect(given).toEqual([]);
  });

  test("who may read sees all, and no button; who may operate sees buttons", async () => {
    const mail = { recipient: "person@one.example", task: "a-task", lastReply: "450 4.7.1 greylisted" };
    const reader = await openQueuePages([mail], { as: "read" });
    const read = await reader.page();
    expect(textOf(read)).toMatch(
      /person@one\.example a-task main 1 in 10 min 450 4\.7\.1 greylisted|person@one\.examplea-taskmain1in 10 min450 4\.7\.1 greylisted/,
    );
    expect(textOf(read)).toContain("1 of one cause: 450 4.7.1 greylisted");
    expect(read.body).not.toMatch(/method="post" action="\/queue|checkbox/);
    expect((await reader.post("/queue/hold", [["id", idOf(0)]])).status).toBe(403);
    expect(reader.given).toEqual([]);
    const operator = await openQueuePages([mail], { as: "operate" });
    expect((await operator.page()).body).toContain(">Retry 1</button>");
  });

  test("the oldest of a page comes first, and states are words", async () => {
    const { page } = await openQueuePages(
      [{}, { dueAt: 0 }, { held: true, hold: "operator" }, { held: true }],
      {
        as: "read",
      },
    );
    const seen = await page();
    expect(recipientsIn(seen)).toEqual([
      "r3@one.example",
      "r2@one.example",
      "r1@one.example",
      "r0@one.example",
    ]);
    for (const words of ["held in doubt", "held by an operator", ">now<", "in 10 min"])
      expect(seen.body).toContain(words);
  });
});

describe("filters and pages", () => {
  test("each filter chooses, and one that is none is said", async () => {
    const { page } = await openQueuePages([{ task: "t0" }, { task: "t1", dueAt: 0 }, { held: true }], {
      as: "read",
    });
    const found = async (query: string) =>
      recipientsIn(await page(query))
        .map((to) => to[1])
        .sort()
        .join("");
    expect(await found("?state=due")).toBe("1");
    expect(await found("?state=held")).toBe("2");
    expect(await found("?task=t0&state=&to=")).toBe("0");
    expect(await found("?to=+r1@ONE.example+")).toBe("1");
    expect(await found("?upstream=main")).toBe("012");
    expect(await found("?older=2m")).toBe("2");
    const none = await page("?upstream=other");
    expect(textOf(none)).toContain("No mail of the queue fits.");
    expect(none.body).toContain('<option value="other" selected>');
    for (const [query, fault] of [
      ["state=lost", "state: "],
      ["older=soon", "older: "],
      ["to=nobody", "to: has no domain"],
      ["more=1", "more"],
      ["cursor=x", "cursor: the cursor is none of a page"],
    ] as const) {
      const { status, body } = await page(`?${query}`);
      expect([status, body], query).toEqual([400, expect.stringContaining(fault)]);
    }
  });

  test("pages of 100 have each mail once, and links keep the filter", async () => {
    const { page } = await openQueuePages(
      Array.from({ length: 205 }, () => ({})),
      { as: "read" },
    );
    const found: string[] = [];
    const sizes: number[] = [];
    let query: string | undefined = "?state=waiting";
    while (query !== undefined) {
      const seen = await page(query);
      const listed = recipientsIn(seen);
      found.push(...listed);
      sizes.push(listed.length);
      const [, next] = /rel="next" href="\/queue([^"]*)">Next 100</.exec(seen.body) ?? [];
      query = next?.replaceAll("&amp;", "&");
      if (query !== undefined) expect(query).toMatch(/^\?state=waiting&cursor=/);
    }
    expect(sizes).toEqual([100, 100, 5]);
    expect(new Set(found).size).toBe(205);
  });

  test("an empty queue says so", async () => {
    const { page } = await openQueuePages([], { as: "operate" });
    const { body } = await page();
    expect(body).toContain("The queue is empty.");
    expect(body).not.toMatch(/<table>|By last reply/);
  });
});
