// The public export: what it throws, beyond what the vectors and canonical forms show.
import { expect, test } from "vitest";
import { type MessageIdOptions, messageId } from "../../src/index.ts";

const OPTIONS: MessageIdOptions = { task: "t", to: "user@example.com", from: "a@example.org" };
const call = (change: Partial<Record<keyof MessageIdOptions, unknown>>) => () =>
  messageId({ ...OPTIONS, ...change } as MessageIdOptions);

test("the example of its doc comment", () => {
  const id = messageId({
    task: "a9e5a73a-4d4a-4995-a91c-90295e27100a",
    to: "user@example.com",
    from: "Difio <noreply@difio.example>",
  });
  expect(id).toBe("<lcks3wwstomfwm4avx64lrefbcg4tatq@difio.example>");
});

test("a value without a canonical form is a RangeError that names it", () => {
  expect(call({ task: "" })).toThrow(new RangeError("task is empty"));
  expect(call({ to: "user" })).toThrow(new RangeError("to has no domain"));
  expect(call({ part: "a\0" })).toThrow(
    new RangeError("part has a control character (U+0000) at position 2"),
  );
  expect(call({ namespace: "ü" })).toThrow(
    new RangeError("namespace has a character outside ASCII (U+00FC) at position 1"),
  );
  expect(call({ from: "nobody" })).toThrow(
    new RangeError("from has no valid domain, and no hostname is given"),
  );
});

test("a value that is missing or no string is a TypeError", () => {
  expect(call({ task: undefined })).toThrow(new TypeError("task is not a string"));
  expect(call({ to: ["user@example.com"] })).toThrow(new TypeError("to is not a string"));
  expect(call({ from: undefined })).toThrow(new TypeError("neither from nor hostname is given"));
});
