// A command and a gateway of two builds: each says that the other is older or newer, fails, and changes nothing.
import { expect } from "vitest";
import { test as testWithPlace } from "../support/place.ts";
import { run } from "../support/process.ts";
import { unpackOldBuild } from "./old-build.ts";

const test = testWithPlace.extend("old", { scope: "file" }, ({ shared }) => {
  const build = unpackOldBuild();
  shared.atEnd(build.remove);
  return build;
});

const COMMANDS = [
  ["doubtful", "list"],
  ["doubtful", "resolve", "a".repeat(32), "--relayed"],
];

test("an older command and this gateway", async ({ place, old }) => {
  const gateway = await place.start();
  for (const command of COMMANDS) {
    expect(await run(command, { DATA_DIR: place.data }, undefined, old)).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "mailonce: the gateway that runs here is newer than this command; use the mailonce that it was started with\n",
    });
  }
  expect(gateway.said("operator.resolved")).toEqual([]);
  expect(await run(["doubtful", "list"], { DATA_DIR: place.data })).toMatchObject({ code: 0, stderr: "" });
});

test("this command and an older gateway", async ({ place, old }) => {
  const gateway = await place.start({}, old);
  for (const command of COMMANDS) {
    expect(await run(command, { DATA_DIR: place.data })).toEqual({
      code: 1,
      stdout: "",
      stderr:
        "mailonce: the gateway that runs here is older than this command and does not understand it; " +
        "restart the gateway, or use the mailonce that it was started with\n",
    });
  }
  expect(gateway.said("operator.resolved")).toEqual([]);
  expect(await run(["doubtful", "list"], { DATA_DIR: place.data }, undefined, old)).toMatchObject({
    ...{ code: 0, stderr: "" },
  });
});
