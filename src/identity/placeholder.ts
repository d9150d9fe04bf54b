// Values that stand where a task's name should be and name no task: what a language writes for "nothing", and a
// template that was never filled. All tasks of a mailer with such a fault share one value, so its second mail
// would be dropped as a repeat of the first.

/**
 * What languages write for a value that is not there: Python, JavaScript, Ruby, Go, C#, Java, PHP. In lower
 * case. The two UUIDs are the nil and the max UUID of RFC 9562 §5.9 and §5.10, in canonical form.
 */
const NOTHING: ReadonlySet<string> = new Set([
  "none",
  "null",
  "nil",
  "undefined",
  "nan",
  "(null)",
  "(nil)",
  "<nil>",
  "<null>",
  "<none>",
  "nonetype",
  "dbnull",
  "n/a",
  "00000000-0000-0000-0000-000000000000",
  "ffffffff-ffff-ffff-ffff-ffffffffffff",
]);

/** Templates that nobody filled, wherever in the value they stand. None of them can backtrack. */
const UNFILLED: readonly RegExp[] = [
  // {{id}} of Jinja, Handlebars and Twig, {% … %}, ${id}, #{id}, %{id}, @{id}, <%= id %>, <?= $id ?>. JSON has "}}".
  /\{\{|\{%|%\}|[$#%@]\{|<%|%>|<\?|\?>/,
  // %(id)s, %s and %1$s of printf, %v of Go. "%20" and "%d0" are something else.
  /%\([A-Za-z0-9_.]{1,64}\)|%(?:\d{1,2}\$)?[-+0#]{0,2}\d{0,3}[sdifuvq](?![0-9A-Za-z])/,
  // %!s(<nil>) and %!d(MISSING) of Go.
  /%![a-z]\(/i,
];

/** All of it a template in its own marks: {id}, {0}, <task-id>, $ID, $(uuidgen), %ID%, __ID__. */
const WHOLLY_UNFILLED =
  /^(?:\{[A-Za-z_][\w .-]{0,62}\}|\{\d?\}|<[A-Za-z_][\w .-]{0,62}>|\$[A-Za-z_]\w{0,62}|\$\([^)]{0,62}\)|%[A-Za-z_]\w{0,62}%|__[A-Za-z]\w{0,60}__)$/;

/** An object, a function or a promise where a text was meant. Python gives an address, JavaScript does not. */
const OBJECT =
  /\[object [A-Za-z]{1,64}\]|^<(?:built-in )?(?:function|method|bound method|class|module)\b|^function\b.*\{/;

/**
 * What is wrong with a value that names nothing, as a predicate of the value, or undefined.
 *
 * @param text canonical
 */
export function placeholderFault(text: string): string | undefined {
  const lower = text.toLowerCase();
  if (NOTHING.has(unquoted(lower))) return "is a placeholder for no value and names nothing";
  if (WHOLLY_UNFILLED.test(text) || UNFILLED.some((pattern) => pattern.test(text))) {
    return "has a template that was not filled in and names nothing";
  }
  return OBJECT.test(text) ? "has an object in the place of a name and names nothing" : undefined;
}

const unquoted = (text: string): string => /^(["'`])(.*)\1$/.exec(text)?.[2] ?? text;

/** One of these between separators, spelled as its language does: "order-undefined", "mail:None". */
const NOTHING_IN_IT = /(?:^|[-_:/.|,; ])(?:None|null|undefined|NaN)(?:$|[-_:/.|,; ])/;

/** A count: BullMQ's ids and the keys of a database begin again with another store. */
const SHORT_DIGITS = /^\d{1,7}$/;

/**
 * Why a task that is taken may name several things, as a predicate of the value, or undefined.
 *
 * @param task canonical
 */
export function weakness(task: string): string | undefined {
  if (SHORT_DIGITS.test(task)) {
    return "has fewer than 8 digits and nothing else: a count begins again with another queue or database";
  }
  return NOTHING_IN_IT.test(task) ? "has what a language writes for no value in it" : undefined;
}
