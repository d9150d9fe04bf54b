// A field that is nearly the task's is found; one that is another is not.
import { describe, expect, test } from "vitest";
import { nearlyNamed } from "../../src/identity/near-names.ts";
import { parseHeader } from "../../src/message/header.ts";

const NAMES = ["X-Task-Id", "Idempotency-Key", "X-Task-Part"];
const found = (name: string) => nearlyNamed(parseHeader(Buffer.from(`${name}: 1\r\n`)), NAMES);

describe("nearly named", () => {
  test.each([
    ...["X-TaskId", "X_Task_Id", "Task-ID", "XTaskId", "x.task.id", "TASKID"],
    ...["X-Tsak-Id", "X-Task-Di", "X-Task-Ids", "X-Tasks-Id", "X-Tak-Id", "X-Taskk-Id", "X-Task-Ip"],
  ])("%s", (name) => {
    expect(found(name)).toEqual({ field: name.toLowerCase(), wanted: "X-Task-Id" });
  });

  test.each([
    ["X-Idempotency-Key", "Idempotency-Key"],
    ["IdempotencyKey", "Idempotency-Key"],
    ["Idempotence-Key", "Idempotency-Key"],
    ["Idempotency-Keys", "Idempotency-Key"],
    ["X-Task-Prat", "X-Task-Part"],
  ])("%s", (name, wanted) => {
    expect(found(name)).toMatchObject({ wanted });
  });
});

test.each([
  ...["X-Task-Id", "x-task-id", "IDEMPOTENCY-KEY", "X-Job-Id", "X-Task", "X-Track-Id", "Message-Id"],
  ...["X-Celery-Task-Id", "X-Mailer", "Thread-Id", "X-Task-Name"],
])("%s is not", (name) => {
  expect(found(name)).toBeUndefined();
});
