// The frozen identity: fixtures/vectors/message-id.json through each way that leads to a Message-ID.
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { canonicalRecipient } from "../../src/address/recipient.ts";
import { deriveId, messageIdOf } from "../../src/identity/message-id.ts";
import { canonicalTask } from "../../src/identity/task.ts";
import { messageId } from "../../src/index.ts";

interface Vector {
  readonly name: string;
  readonly namespace: string;
  readonly task: string;
  readonly recipient: string;
  readonly part: string;
  readonly secret: string;
  readonly idRight: string;
  readonly canonicalTask: string;
  readonly canonicalRecipient: string;
  readonly messageId: string;
}

const file = new URL("../../fixtures/vectors/message-id.json", import.meta.url);
const vectors = JSON.parse(readFileSync(file, "utf8")) as Vector[];

describe.each(vectors)("$name", (vector) => {
  const { namespace, part, secret, idRight } = vector;

  test("canonical forms", () => {
    expect(canonicalTask(vector.task)).toEqual({ ok: true, task: vector.canonicalTask });
    expect(canonicalRecipient(vector.recipient)).toEqual({ ok: true, recipient: vector.canonicalRecipient });
  });

  test("deriveId and messageIdOf", () => {
    const id = deriveId({
      secret,
      namespace,
      task: vector.canonicalTask,
      recipient: vector.canonicalRecipient,
      part,
    });
    expect(messageIdOf(id, idRight)).toBe(vector.messageId);
  });

  test("messageId", () => {
    const { task, recipient: to } = vector;
    expect(messageId({ task, to, from: `Difio <a@${idRight}>`, part, namespace, secret })).toBe(
      vector.messageId,
    );
    expect(messageId({ task, to, hostname: idRight, part, namespace, secret })).toBe(vector.messageId);
  });
});
