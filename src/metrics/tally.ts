// How often something happened, in plain numbers: counting is an addition, and nobody reads the sums but a scrape.

/** By the values of one label. */
export interface Tally<Label extends string | number = string> {
  add(label: Label, by?: number): void;
  entries(): Iterable<readonly [Label, number]>;
}

/** One of each kind for each value of a label; made when it is first asked for. */
export interface Family<Kind, Label extends string = string> {
  of(label: Label): Kind;
  entries(): Iterable<readonly [Label, Kind]>;
}

export interface Count {
  readonly value: number;
  add(): void;
}

/** @param labels counted from 0: of a series that begins with 1, no increase is seen */
export function createTally<Label extends string | number>(labels: readonly Label[] = []): Tally<Label> {
  const counts = new Map(labels.map((label) => [label, { count: 0 }]));
  return {
    add(label, by = 1) {
      const found = counts.get(label);
      if (found === undefined) counts.set(label, { count: by });
      else found.count += by;
    },
    entries: () => [...counts].map(([label, { count }]) => [label, count] as const),
  };
}

/** @param labels those that are there from the beginning */
export function createFamily<Label extends string, Kind>(
  make: (label: Label) => Kind,
  labels: readonly Label[] = [],
): Family<Kind, Label> {
  const kinds = new Map<Label, Kind>(labels.map((label) => [label, make(label)]));
  return {
    of(label) {
      const found = kinds.get(label);
      if (found !== undefined) return found;
      const made = make(label);
      kinds.set(label, made);
      return made;
    },
    entries: () => kinds.entries(),
  };
}

export function createCount(): Count {
  let value = 0;
  return {
    get value() {
      return value;
    },
    add: () => void value++,
  };
}
