// Promise.all, but when one has failed nothing is under way any more.

/** Waits for all of them, and rejects then as the first of those that rejected. */
export async function everyOne<T>(promises: readonly (T | Promise<T>)[]): Promise<T[]> {
  const settled = await Promise.allSettled(promises);
  return settled.map((one) => {
    if (one.status === "rejected") throw one.reason;
    return one.value;
  });
}
