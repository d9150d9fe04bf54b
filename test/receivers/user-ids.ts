import { execFileSync } from "node:child_process";

/** Of a user of this machine, such as the one that a server becomes. */
export function idsOf(user: string): { uid: number; gid: number } {
  const id = (option: string): number => Number(execFileSync("id", [option, user], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
}
