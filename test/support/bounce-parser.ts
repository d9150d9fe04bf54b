// flufl.bounce, the parser by which Mailman decides whose address has failed, on notices of ours.
import { execFileSync } from "node:child_process";

const PARSER = `
import sys, json, email
from flufl.bounce import all_failures
temporary, permanent = all_failures(email.message_from_bytes(sys.stdin.buffer.read()))
print(json.dumps([sorted(address.decode() for address in found) for found in (temporary, permanent)]))
`;

/** The Python that has it: Debian's package is there for the system's own only. */
function findPython(): string | undefined {
  for (const python of ["python3", "/usr/bin/python3"]) {
    try {
      execFileSync(python, ["-c", "import flufl.bounce"], { stdio: "ignore" });
      return python;
    } catch {
      // Not this one.
    }
  }
  if (process.env.CI !== undefined) throw new Error("flufl.bounce is not installed");
  return undefined;
}

/** Undefined when it is not installed; in CI it is. */
export const bounceParser = findPython();

/** The recipients that the parser finds in a mail: failed for now, and for good. */
export function failuresIn(mail: Uint8Array): [temporary: string[], permanent: string[]] {
  const command = ["-c", PARSER];
  return JSON.parse(execFileSync(bounceParser as string, command, { input: mail, encoding: "utf8" }));
}
