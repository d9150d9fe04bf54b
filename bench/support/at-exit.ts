// What has been started ends with this process, also when a benchmark fails or is interrupted.

const ends = new Set<() => void>();

process.once("exit", () => {
  for (const end of ends) end();
});
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => process.exit(1));

/**
 * @param end has to end it before it returns, or tell it to end
 * @returns call it when it has ended
 */
export function atExit(end: () => void): () => void {
  ends.add(end);
  return () => ends.delete(end);
}
