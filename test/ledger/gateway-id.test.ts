import { expect, test } from "vitest";
import { gatewayIdOf } from "../../src/ledger/shared/gateway-id.ts";
import { systemRandom } from "../../src/runtime/random.ts";
import { createMemoryStorage } from "../support/memory-storage.ts";

test("a gateway keeps its name, across a loss of power too, and no other has it", async () => {
  const storage = createMemoryStorage();
  const name = await gatewayIdOf(storage, systemRandom);
  expect(name).toMatch(/^[a-z2-7]{16}$/);
  storage.crash();
  expect(await gatewayIdOf(storage, systemRandom)).toBe(name);
  expect(await gatewayIdOf(createMemoryStorage(), systemRandom)).not.toBe(name);
});

test("a file that holds no name refuses the start", async () => {
  const storage = createMemoryStorage();
  await gatewayIdOf(storage, systemRandom);
  storage.damage("ledger/gateway", () => Buffer.from("../elsewhere"));
  await expect(gatewayIdOf(storage, systemRandom)).rejects.toMatchObject({ code: "damaged" });
});
