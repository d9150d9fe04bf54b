// HTML as a template: every value in it is escaped, but for what is a template itself. hono/html is imported here and
// nowhere else.
import { html } from "hono/html";

export { html };

/** Of a page, or a part of one. */
export type Html = ReturnType<typeof html>;
