// What a metric is, whatever it is shown by.
import type { Histogram } from "./histogram.ts";

/** A value, and what each label is, in the order of the metric's labels. */
export type Row<Value = number> = readonly [value: Value, ...labels: string[]];

interface Described {
  readonly name: string;
  readonly help: string;
  readonly labels: readonly string[];
}

export type Metric = Described &
  (
    | { readonly kind: "counter" | "gauge"; read(): readonly Row[] | Promise<readonly Row[]> }
    | { readonly kind: "histogram"; read(): readonly Row<Histogram>[] }
  );
