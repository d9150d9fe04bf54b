// Counts what DynamoDB is asked and what that uses of its capacity, which is what it is paid by.

/** Of one kind of request. */
export interface RequestCounts {
  requests: number;
  /** Units of capacity read or written, as DynamoDB says itself. */
  units: number;
  /** Conditions that did not hold. Each counts as one unit. */
  refused: number;
  /** Requests that were sent again. */
  again: number;
}

/** By kind: put, update, remove, get, getMany, scan. */
export type DynamodbUse = ReadonlyMap<string, Readonly<RequestCounts>>;

export interface UseCounter {
  readonly counts: DynamodbUse;
  read(kind: string, units: number | undefined): void;
  written(kind: string, units: number | undefined): void;
  refused(kind: string): void;
  again(kind: string): void;
}

export function createUse(): UseCounter {
  const counts = new Map<string, RequestCounts>();

  function of(kind: string): RequestCounts {
    const known = counts.get(kind);
    if (known !== undefined) return known;
    const fresh = { requests: 0, units: 0, refused: 0, again: 0 };
    counts.set(kind, fresh);
    return fresh;
  }

  function add(kind: string, units = 0): void {
    const one = of(kind);
    one.requests++;
    one.units += units;
  }

  return {
    counts,
    read: add,
    written: add,
    refused(kind) {
      add(kind, 1);
      of(kind).refused++;
    },
    again(kind) {
      of(kind).again++;
    },
  };
}
