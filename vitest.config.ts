import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts"],
    // The system tests start real processes; a machine under load must not turn that into a failure.
    testTimeout: 120_000,
    hookTimeout: 120_000,
  },
});
