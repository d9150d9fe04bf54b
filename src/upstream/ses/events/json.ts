// Reading JSON of others: what is not there, or of another type, is undefined.

export type Json = Readonly<Record<string, unknown>>;

export const isObject = (value: unknown): value is Json =>
  typeof value === "object" && value !== null && !Array.isArray(value);

/** The object under a name; an empty one where there is none. */
export const objectIn = (json: Json, name: string): Json => {
  const value = json[name];
  return isObject(value) ? value : {};
};

export const listIn = (json: Json, name: string): readonly unknown[] => {
  const value = json[name];
  return Array.isArray(value) ? value : [];
};
