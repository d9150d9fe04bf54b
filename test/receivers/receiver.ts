// What is asked of every receiver, as data: what it makes of a second copy, of a delivery that fails first, and of mail that
// is no second copy. Each receiver's file says how it is reached and what it is expected to keep.
import { randomUUID } from "node:crypto";
import { describe, expect } from "vitest";
import { test as base, type Place } from "../support/place.ts";
import { taskMail } from "../support/smtp-client.ts";
import { bySes, startCopies } from "./second-copy.ts";

export interface Receiver {
  /** Gives a mail to a user of example.com, as the last server on its way does. "again": it is to be tried again. */
  deliver(user: string, content: string): Promise<"taken" | "again">;
  /** The mails that the user has. */
  mails(user: string): Promise<readonly string[]> | readonly string[];
  /**
   * Makes deliveries to the user fail until the function that it gives back is called. The user has mail already.
   * Missing where nothing is delivered.
   */
  breakMailbox?(user: string): (() => Promise<void> | void) | Promise<() => Promise<void> | void>;
}

export interface Expected {
  readonly available: boolean;
  /** False of a reader of a folder: no delivery to it can fail. */
  readonly delivers?: boolean;
  start(place: Place): Promise<Receiver>;
  /** How many copies a user has after two. */
  readonly copies: {
    /** Both with the same Message-ID, Date and X-Mailonce-ID. */
    readonly kept: 1 | 2;
    /** Both with the same X-Mailonce-ID. */
    readonly overwritten: 1 | 2;
  };
}

const withCopies = base.extend("copies", { scope: "file" }, ({ shared }) => startCopies(shared));

/** A mail of others, which never was with mailonce. */
export function foreign(fields: Readonly<Record<string, string>> = {}): string {
  const all = {
    From: "Someone <someone@other.example>",
    To: "user@example.com",
    Subject: "Hello",
    Date: new Date().toUTCString().replace("GMT", "+0000"),
    "Message-ID": `<${randomUUID()}@other.example>`,
    ...fields,
  };
  return `${Object.entries(all)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join("")}\r\nHello.\r\n`;
}

export function receives(
  name: string,
  { available, delivers = true, start, copies: expected }: Expected,
): void {
  const test = withCopies.extend("receiver", { scope: "file" }, ({ shared }) => start(shared));
  let users = 0;
  /** One that no other test has. */
  const newUser = (): string => `user${users++}-${randomUUID().slice(0, 8)}`;

  async function has(receiver: Receiver, user: string, contents: readonly string[]): Promise<number> {
    for (const content of contents) expect(await receiver.deliver(user, content)).toBe("taken");
    return (await receiver.mails(user)).length;
  }

  describe.skipIf(!available)(name, () => {
    for (const how of ["kept", "overwritten"] as const) {
      test(`${how}: ${expected[how]} of two copies`, async ({ copies, receiver }) => {
        const user = newUser();
        const second = await copies.lostAnswer(`${user}@example.com`);
        expect(await has(receiver, user, second[how])).toBe(expected[how]);
      });

      test(`${how}: without a task id, submitted twice, ${expected[how]} of two copies`, async ({
        copies,
        receiver,
      }) => {
        const user = newUser();
        const mail = foreign({ Subject: "No task" });
        const both = [];
        for (let run = 0; run < 2; run++) both.push(await copies.relayed(`${user}@example.com`, mail));
        expect(await has(receiver, user, how === "kept" ? both : both.map(bySes))).toBe(expected[how]);
      });
    }

    test("both copies at the same instant", async ({ copies, receiver }) => {
      const user = newUser();
      await has(receiver, user, [foreign()]);
      const { kept } = await copies.lostAnswer(`${user}@example.com`);
      const became = await Promise.all(kept.map((copy) => receiver.deliver(user, copy)));
      expect(became).toEqual(["taken", "taken"]);
      expect(await receiver.mails(user)).toHaveLength(1 + expected.kept);
    });

    test("of a mail that an alias hands to two users, each has what one user has", async ({
      copies,
      receiver,
    }) => {
      const { kept } = await copies.lostAnswer("team@example.com");
      for (const user of [newUser(), newUser()]) expect(await has(receiver, user, kept)).toBe(expected.kept);
    });

    test("two mails of one task to one user, each with its part, both stay", async ({ copies, receiver }) => {
      const user = newUser();
      const task = randomUUID();
      const mails = [];
      for (const part of ["invoice", "receipt"]) {
        const content = taskMail(task, { fields: `X-Task-Part: ${part}` });
        mails.push(bySes(await copies.relayed(`${user}@example.com`, content)));
      }
      expect(await has(receiver, user, mails)).toBe(2);
    });

    test("two mails without a task id, of a mailer that gives all one Message-ID, both stay", async ({
      copies,
      receiver,
    }) => {
      const user = newUser();
      const mails = [];
      for (const Subject of ["One", "Another"]) {
        const mail = foreign({ Subject, "Message-ID": `<always-${user}@other.example>` });
        mails.push(bySes(await copies.relayed(`${user}@example.com`, mail)));
      }
      expect(await has(receiver, user, mails)).toBe(2);
    });

    test("a long subject outside ASCII", async ({ copies, receiver }) => {
      const user = newUser();
      const word = `=?utf-8?B?${Buffer.from("Übersicht\n".repeat(3)).toString("base64")}?=`;
      const content = taskMail(randomUUID(), { subject: Array(20).fill(word).join("\r\n ") });
      const { overwritten } = await copies.lostAnswer(`${user}@example.com`, content);
      expect(await has(receiver, user, overwritten)).toBe(expected.overwritten);
    });

    test("mail of others stays, also with an empty X-Mailonce-ID", async ({ receiver }) => {
      const user = newUser();
      const empty = { "X-Mailonce-ID": "" };
      expect(await has(receiver, user, [foreign(), foreign(), foreign(empty), foreign(empty)])).toBe(4);
    });

    test("a foreign mail that used the id first hides nothing", async ({ copies, receiver }) => {
      const user = newUser();
      const { overwritten } = await copies.lostAnswer(`${user}@example.com`);
      const id = /^X-Mailonce-ID: (.*)\r$/m.exec(overwritten[0])?.[1] ?? "";
      const forged = foreign({ Subject: "Forged", "X-Mailonce-ID": id });
      expect(await has(receiver, user, [forged, ...overwritten])).toBe(1 + expected.overwritten);
    });

    if (!delivers) return;
    test("a delivery that fails first loses nothing", async ({ copies, receiver }) => {
      const user = newUser();
      // The mailbox is there before.
      await has(receiver, user, [foreign()]);
      const { kept, overwritten } = await copies.lostAnswer(`${user}@example.com`);
      const mend = await receiver.breakMailbox?.(user);
      expect(await receiver.deliver(user, kept[0])).toBe("again");
      await mend?.();
      // The server before it tries the same mail again, and then comes the second copy.
      expect(await has(receiver, user, [kept[0]])).toBe(2);
      expect(await has(receiver, user, [overwritten[1]])).toBe(1 + expected.overwritten);
    });
  });
}

/** Of a recipe that notes the mail before it is delivered. */
export async function losesWhatFailsFirst({ deliver, mails, breakMailbox }: Receiver): Promise<void> {
  const mail = foreign();
  const mend = await breakMailbox?.("user");
  expect(await deliver("user", mail)).toBe("again");
  await mend?.();
  expect(await deliver("user", mail)).toBe("taken");
  expect(await mails("user")).toEqual([]);
}
