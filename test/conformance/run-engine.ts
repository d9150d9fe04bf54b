// Runs the engine's checks as tests of one engine.
import { describe, test } from "vitest";
import { type CreatePlace, ENGINE_CHECKS } from "./engine.ts";

export function runEngineConformance(name: string, create: CreatePlace): void {
  describe(`${name}: the engine's contract`, () => {
    for (const check of ENGINE_CHECKS) test(check.title, () => check.run(create));
  });
}
