// What something costs, whatever else the machine has to do meanwhile.

/** @returns milliseconds of CPU of this process since the call */
export function measureCpu(): () => number {
  const before = process.cpuUsage();
  return () => {
    const { user, system } = process.cpuUsage(before);
    return (user + system) / 1_000;
  };
}
