// PostgreSQL, a DynamoDB and an older build, for as long as the tests of a file run.
import { afterAll, beforeAll } from "vitest";
import { startServer, type TestServer } from "../several/server.ts";
import { startDynamodb, type TestDynamodb } from "../support/dynamodb.ts";
import { type OldBuild, unpackOldBuild } from "./old-build.ts";

export interface BothEngines {
  readonly server: TestServer;
  readonly dynamodb: TestDynamodb;
  readonly old: OldBuild;
}

/** To be called once, outside the tests. What it gives back is there while they run. */
export function useBothEngines(): BothEngines {
  const engines = {} as { -readonly [Name in keyof BothEngines]: BothEngines[Name] };
  beforeAll(async () => {
    engines.server = await startServer();
    engines.dynamodb = await startDynamodb();
    engines.old = unpackOldBuild();
  });
  afterAll(async () => {
    engines.old.remove();
    await engines.dynamodb.stop();
    await engines.server.remove();
  });
  return engines;
}
