// What a benchmark compares has lost no mail and doubled none.
import { expect, test } from "vitest";
import { expectCount, type Relay } from "../../bench/support/relay.ts";

const relayWith = (count: () => number): Relay => ({
  name: "relay",
  port: 0,
  sink: { port: 0, count, reached: async () => 0, stop: async () => {} },
  cpu: { used: () => 0, pids: () => [], remove: async () => {} },
  stop: async () => {},
});

test("a mail too few or too many ends the benchmark", async () => {
  await expect(
    expectCount(
      relayWith(() => 9),
      10,
    ),
  ).rejects.toThrow("relay relayed 9 mails of 10");
  await expect(
    expectCount(
      relayWith(() => 11),
      10,
    ),
  ).rejects.toThrow("relay relayed 11 mails of 10");
  await expectCount(
    relayWith(() => 10),
    10,
  );
});

test("so does one that comes a second time a little later", async () => {
  let taken = 10;
  setTimeout(() => taken++, 50);
  await expect(
    expectCount(
      relayWith(() => taken),
      10,
    ),
  ).rejects.toThrow("relayed 11 mails of 10");
});
