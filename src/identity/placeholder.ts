// Placeholders in place of a task id: what a language prints for "nothing", an object in place of a text, and
// a template that was never filled. All tasks of a mailer with such a fault share one value, so its second
// mail would be dropped as a repeat of the first.

/**
 * What languages write for a value that is not there, or for one that is no text: Python, JavaScript, Ruby, Perl, Go,
 * C#, Java, PHP, Swift. In lower case. The two UUIDs are the nil and the max UUID of RFC 9562 §5.9 and §5.10, in
 * canonical form.
 */
const NOTHING: ReadonlySet<string> = new Set([
  ...["none", "null", "nil", "undefined", "undef", "unset", "nothing", "void", "no value", "n/a"],
  ...["nan", "infinity", "inf", "array", "object"],
  ...["nonetype", "nilclass", "dbnull", "system.dbnull", "optional.empty", "optional.none"],
  ...["null value", "none()", "null::uuid", "null::text"],
  ...["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
]);

/** Templates that nobody filled, anywhere in the value. None of these patterns can backtrack. */
const UNFILLED: readonly RegExp[] = [
  // {{id}} of Jinja, Handlebars and Twig, {% … %}, ${id}, #{id}, %{id}, @{id}, <%= id %>, <?= $id ?>. JSON has "}}".
  /\{\{|\{%|%\}|[$#%@&]\{|<%|%>|<\?|\?>|\[%|%\]|\*\||\|\*/,
  // %(id)s of Python.
  /%\([A-Za-z0-9_.]{1,64}\)/,
  // %s, %ld and %1$s of printf, %v of Go. Two hexadecimal digits behind the sign encode an octet: "%3d", "%20s".
  /%(?![0-9A-Fa-f]{2})(?:\d{1,2}\$)?(?:-(?=\d)|[+#0]){0,2}\d{0,3}(?:\.\d{1,2})?(?:hh?|ll?|[jztLq])?[diuxXcsSfvqT@](?![0-9A-Za-z])/,
  // %!s(<nil>) and %!d(MISSING) of Go.
  /%![a-z]\(/i,
  // xxxxxxxx-xxxx-4xxx-yxxx-xxxxxxxxxxxx, the picture of a UUID.
  /x{8}-x{4}-[x\d]x{3}-[xy]x{3}-x{12}/i,
];

/** A name as programmers choose it: digits are at its end if at all, as an id has them anywhere. */
const NAME = "[A-Za-z_][A-Za-z_ .-]{0,60}\\d{0,2}";

/** All of it a template in its own marks. */
const WHOLLY_UNFILLED: readonly RegExp[] = [
  // {id}, {0}, {id!r}, {0:d}, {:?}, {task[id]}, {$id}, {!id} of Python, C#, Rust, Smarty and others.
  new RegExp(`^\\{ ?[$!]?(?:${NAME}|\\d{0,2})(?:\\[[A-Za-z_]{1,40}\\])?(?:![rsa])?(?::[^{}]{0,20})? ?\\}$`),
  // <id>, <<id>>, [[id]], [TASK_ID]; #id#, ##id##, %id%, %%id%%, @@ID@@, __ID__ of mail services.
  new RegExp(`^<{1,2}${NAME}>{1,2}$|^\\[\\[${NAME}\\]\\]$|^\\[[A-Z][A-Z_ -]{0,60}\\]$`),
  new RegExp(`^(#{1,2}|%{1,2}|@@|__)${NAME}\\1$`),
  // $ID, $$id, $env:ID, $(uuidgen) of shells; :id and @id of SQL and routes.
  new RegExp(`^\\$(?:\\$?(?:env:)?${NAME}|\\([^)]{0,62}\\))$|^[:@]${NAME}$`),
  // One that printf would pad with zeros, and that looks like an encoded octet.
  /^%\d{2,3}(?:ll?)?[dxXsu]$/,
  // The name of the variable itself, or what a manual says to put in its place.
  /^(?:(?:your|my|the|some)[-_ ]?)?(?:unique[-_ ]?)?(?:task|job|message|request)[-_ ]?(?:id|uuid|guid)$|^(?:uu|gu)?id$/i,
];

/**
 * An object, a function or a promise where a text was meant. Python, Perl, Java and Ruby give an address, which another
 * object may have next; JavaScript and C# give the kind alone.
 */
const OBJECT: readonly RegExp[] = [
  /\[object\b/i,
  /^\[(?:(?:Async)?(?:Generator)?Function|class)\b|^function\b.*\{|^Promise \{|^Symbol\(/,
  /^<(?:built-in )?(?:function|method|bound method|class|module|coroutine|generator|lambda)\b/,
  /\bat 0x[0-9a-f]{1,16}>$|^#<[A-Z]/i,
  /\b(?:HASH|ARRAY|CODE|SCALAR|REF|GLOB)\(0x[0-9a-f]{1,16}\)$/,
  /^(?:[A-Za-z_$][\w$]{0,60}\.){1,12}[A-Z][\w$]{0,60}@[0-9a-f]{1,8}$/,
  /^System\.[A-Z][A-Za-z]{0,60}(?:\.[A-Z][A-Za-z]{0,60}){0,6}(?:`\d.*)?$/,
];

/**
 * The fault of a value that is a placeholder, as a predicate of the value, or undefined.
 *
 * @param text canonical
 */
export function placeholderFault(text: string): string | undefined {
  if (!/[A-Za-z0-9]/.test(text)) return "has no letter and no digit and names nothing";
  if (isNothing(text)) return "is a placeholder for no value and names nothing";
  if (OBJECT.some((pattern) => pattern.test(text))) {
    return "has an object in the place of a name and names nothing";
  }
  const isTemplate = (pattern: RegExp): boolean => pattern.test(text);
  if (WHOLLY_UNFILLED.some(isTemplate) || UNFILLED.some(isTemplate)) {
    return "has a template that was not filled in and names nothing";
  }
  return undefined;
}

/** As placeholderFault. A part may well be true or false; a task of that name comes of an expression that failed. */
export const taskFault = (text: string): string | undefined =>
  /^(?:true|false)$/i.test(text) ? "is a truth value and names nothing" : placeholderFault(text);

/** A word for no value, in any marks, or nothing but such words: "null-null", "['None']". */
function isNothing(text: string): boolean {
  const bare = stripped(text.toLowerCase());
  if (NOTHING.has(bare)) return true;
  const words = bare.split(/[^a-z0-9]+/).filter((word) => word !== "");
  return words.every((word) => NOTHING.has(word));
}

const MARKS: ReadonlySet<string> = new Set("\"'`()[]{}<>$#+-/;:,. ");

/** Without quotes, brackets and signs around it, and the letter before a Python literal. */
function stripped(text: string): string {
  const literal = /^[bur](["'].*["'])$/.exec(text)?.[1] ?? text;
  let start = 0;
  let end = literal.length;
  while (start < end && MARKS.has(literal[start] as string)) start++;
  while (end > start && MARKS.has(literal[end - 1] as string)) end--;
  return literal.slice(start, end);
}

/** One of these between separators, spelled as its language does: "order-undefined", "mail:None". */
const NOTHING_IN_IT = /(?:^|[-_:/.|,; =])(?:None|null|NULL|nil|undefined|NaN)(?:$|[-_:/.|,; ])/;

/** Words, and a separator behind which an id is missing: "mail:", "order-". Ids of chance end so too, but have digits. */
const ENDS_EARLY = /^[A-Za-z]+(?:[-_:/.|,;=][A-Za-z]+)*[-_:/.|,;=]$/;

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
  if (ENDS_EARLY.test(task)) return "ends in a separator, as if an id were missing behind it";
  return NOTHING_IN_IT.test(task) ? "has what a language writes for no value in it" : undefined;
}
