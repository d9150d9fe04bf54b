// The models of docs/model, by spin: the short runs, in which nothing may be found, and the defects that must be.
import { describe, expect, test } from "vitest";
import { findProgram } from "../support/peers.ts";
import { RUNS } from "./runs.ts";
import { check } from "./spin.ts";

const isThere = [findProgram("spin"), findProgram("gcc")].every((program) => program !== undefined);

describe.skipIf(!isThere)("spin", () => {
  test.for(RUNS.filter((run) => run.isShort))("$name finds $finds", async (run) => {
    const { found, steps } = await check(run);
    expect(found, steps.join("\n")).toBe(run.finds);
  });
});
