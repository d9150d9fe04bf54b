// How figures are written, the same in all tables.

export const whole = (value: number): string => Math.round(value).toLocaleString("en");

export const decimal = (value: number): string => value.toFixed(2);

export const microseconds = (value: number): string => `${whole(value)} µs`;

export const milliseconds = (value: number): string => `${value.toFixed(1)} ms`;

/** Three digits, as nobody compares more. */
export const rounded = (value: number): string => Number(value.toPrecision(3)).toLocaleString("en");

export const mebibytes = (octets: number): string => `${rounded(octets / 2 ** 20)} MiB`;

/** A row of a table: what, the figure of one, that of the other, and how many times the first the other is. */
export const ratioRow = (
  what: string,
  one: number,
  other: number,
  show: (value: number) => string,
): string[] => [what, show(one), show(other), decimal(other / one)];
