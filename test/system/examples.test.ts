// Every example that the README and examples/ offer, run as they stand against the built gateway.
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { expect } from "vitest";
import { findProgram, runClient } from "../support/peers.ts";
import { test as testWithPlace } from "../support/place.ts";

const EXAMPLES = new URL("../../examples/", import.meta.url).pathname;
const PROGRAMS = {
  "nodemailer.mjs": process.execPath,
  "python.py": findProgram("python3"),
  "swaks.sh": findProgram("swaks") === undefined ? undefined : findProgram("sh"),
};

/** Where the examples find the gateway. */
const test = testWithPlace.extend("environment", { scope: "file" }, async ({ shared }) => {
  const gateway = await shared.start();
  shared.atEnd(async () => expect(await gateway.stop()).toBe(0));
  return { MAILONCE_SMTP_PORT: String(gateway.port), MAILONCE_DATA_DIR: shared.data };
});

for (const [name, program] of Object.entries(PROGRAMS)) {
  test.skipIf(program === undefined)(
    `${name}: submits a task's mail, and run again, a repeat`,
    async ({ environment }) => {
      const task = randomUUID();
      const submit = () => runClient(program as string, [join(EXAMPLES, name), task], "", environment);
      const first = await submit();
      expect(first.output).toContain("queued as");
      expect(first.code).toBe(0);
      expect((await submit()).output).toContain("repeat of");
    },
  );
}

test("the demo shows three mails relayed of six submitted", async ({ environment }) => {
  const { code, output } = await runClient(process.execPath, [join(EXAMPLES, "demo.mjs")], "", environment);
  expect(code, output).toBe(0);
  expect(output.match(/queued as/g)).toHaveLength(3);
  expect(output.match(/repeat of/g)).toHaveLength(3);
  expect(output.split("Relayed, as found in")[1]?.match(/<[a-z2-7]{32}@sender\.example>/g)).toHaveLength(3);
});
