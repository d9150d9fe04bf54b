// Puts the id of the running BullMQ job on each mail that nodemailer sends in it. Copy this file into your app; then
//   new Worker("mail", inJob(processor), …)                 or, in a sandboxed processor's file: export default inJob(processor)
//   transport.use("compile", taskId())                      before other plugins, on the transport that leads to mailonce
//   const invoices = childIds(new Queue("invoices", …))     for queues to which jobs add jobs that send mail
import { AsyncLocalStorage } from "node:async_hooks";
import { createHash } from "node:crypto";
import { serialize } from "node:v8";

/** The run in whose calls we are. One for the process, also where a bundler copies this file into several bundles. */
const RUNS = Symbol.for("mailonce.runs");
globalThis[RUNS] ??= new AsyncLocalStorage();
const runs = globalThis[RUNS];

/** The option of a child that has its task. */
const CHILD = "mailonce";

/** How long BullMQ may take from `add` to the job's time stamp, in milliseconds. */
const ADDED_WITHIN = 1000;

const TASK_FIELDS = ["X-Task-Id", "Idempotency-Key", "Resend-Idempotency-Key", "X-EE-Idempotency-Key"];

/**
 * A processor whose mails have the id of its job. The run ends with the processor's promise. What the job began and did
 * not await, such as a timer or a connection, may go on in the job's context for as long as the process; its mails are
 * not the job's, and an old id would have them dropped as repeats.
 */
export function inJob(processor) {
  const inside = async function (job, ...rest) {
    // BullMQ Pro wraps a batch in a job that is none.
    const task = job.getBatch?.()?.length > 0 ? undefined : taskOf(job);
    // A processor calls another with its own job, or with an object that is in no queue: still the same run.
    if (task === undefined || task === currentRun()?.task) return processor.call(this, job, ...rest);
    hideChild(job);
    const run = { task, mails: new Map(), children: new Map(), ended: false };
    return runs.run(run, async () => {
      try {
        return await processor.call(this, job, ...rest);
      } finally {
        run.ended = true;
      }
    });
  };
  // BullMQ makes an AbortSignal for a processor that takes three arguments.
  return Object.defineProperty(inside, "length", { value: processor.length });
}

/** The nodemailer plugin for the step "compile". It adds nothing where the mail has a task, or outside a job. */
export function taskId() {
  return (mail, done) => {
    const run = currentRun();
    try {
      if (run !== undefined) addTask(mail.data, run);
    } catch (error) {
      // A mail that this file can't read goes out as it is.
      warnOnce(`A mail has no task: ${error.message}`);
    }
    done();
  };
}

function addTask(data, run) {
  const fields = fieldsOf(data.headers ?? {});
  const field = (name) => fields.find(({ key, value }) => isNamed(key, name) && !isBlank(value))?.value;
  if (TASK_FIELDS.some((name) => field(name) !== undefined)) return;
  const part = field("X-Task-Part");
  const template = part === undefined ? templateOf(data) : undefined;
  const { to, cc, bcc, envelope, ...mail } = data;
  // Not those of Bcc: an archive that gets a copy of each mail must not take the task from all but the first.
  const recipients = new Set(addressesIn([to, cc, ...(to || cc ? [] : [bcc, envelope?.to])]));
  const mails = [...recipients].map((address) =>
    JSON.stringify([address, `${data.subject}`, `${part ?? template}`]),
  );
  const content = contentOf(mail);
  // The app sends the same content again when sending failed. With another content it is a second mail, and goes out
  // without a task: mailonce would take it for a repeat.
  const isSecond = (one) => run.mails.has(one) && (content === undefined || content !== run.mails.get(one));
  if (mails.some(isSecond)) return warnOnce(SECOND);
  for (const one of mails) run.mails.set(one, content);
  addField(data, "X-Task-Id", run.task);
  if (template !== undefined) addField(data, "X-Task-Part", template);
}

/**
 * The same Queue or FlowProducer; what a job adds to it has a task that follows from the job's own. So a job that runs
 * twice adds each child twice, and the mails of the second one are repeats.
 */
export function childIds(queue) {
  if (queue[CHILD] === true) return queue;
  Object.defineProperty(queue, CHILD, { value: true });
  const { add, addBulk } = queue;
  const childrenOf = async (jobs) => {
    const children = jobs.map((job) => withTask(job, queue.name));
    // The time counts from when Redis can take them.
    await queue.waitUntilReady?.();
    return children.map(stamped);
  };
  queue.add = async (job, ...rest) => {
    const isFlow = typeof job === "object";
    const [data, opts] = rest;
    const [child] = await childrenOf([isFlow ? job : { name: job, data, opts }]);
    return isFlow ? add.call(queue, child, ...rest) : add.call(queue, job, data, child.opts);
  };
  queue.addBulk = async (jobs, ...rest) => addBulk.call(queue, await childrenOf(jobs), ...rest);
  return queue;
}

/**
 * The task of a job: the same in each of its runs, and of no other job. BullMQ's own ids are 1, 2, 3 and begin again
 * with another Redis or after `obliterate`; queue and time make them unique.
 */
export function taskOf({ queueQualifiedName, id, timestamp, opts }) {
  if (!queueQualifiedName || !id || !timestamp) return undefined;
  const child = opts?.[CHILD];
  // A job that somebody adds later with a copy of these options is another job.
  const isItsOwn = child !== undefined && timestamp >= child.at && timestamp <= child.at + ADDED_WITHIN;
  return isItsOwn ? child.task : readable(`${queueQualifiedName}:${id}:${timestamp}`);
}

let warned = false;

const SECOND =
  "A job sent two mails with the same recipient and subject, but another content. The second has no task, so a repeat " +
  "of it is not dropped. Give them different X-Task-Part fields.";

function warnOnce(text) {
  if (warned) return;
  warned = true;
  process.emitWarning(text, { type: "MailonceWarning" });
}

function currentRun() {
  const run = runs.getStore();
  return run === undefined || run.ended ? undefined : run;
}

/**
 * A job to add, and the jobs that a flow has below it, with tasks if a run adds them. A child is known by its parent's
 * task and by what it is; among equal ones by how many the run added before.
 */
function withTask(job, queueName) {
  const run = currentRun();
  if (run === undefined) return job;
  const { opts, children } = job;
  const equal = uuidOf([run.task, whatIs(job, queueName)]);
  const ordinal = run.children.get(equal) ?? 0;
  run.children.set(equal, ordinal + 1);
  return {
    ...job,
    opts: { ...opts, [CHILD]: { task: uuidOf([equal, ordinal]) } },
    ...(children && { children: children.map((below) => withTask(below, queueName)) }),
  };
}

/** Its queue, name, data and custom id; a flow's parent is often told apart only by the jobs below it. */
function whatIs({ name, data, opts, queueName, prefix, children = [] }, queue) {
  const below = children.map((child) => whatIs(child, queue));
  return [prefix, queueName ?? queue, name, data, opts?.jobId, below];
}

/** With the time at which it is added. */
function stamped(job) {
  const child = job.opts?.[CHILD];
  if (child !== undefined) child.at = Date.now();
  for (const below of job.children ?? []) stamped(below);
  return job;
}

/** A job that adds itself again with its own options does not hand on its task. */
function hideChild({ opts }) {
  if (opts?.[CHILD] !== undefined) Object.defineProperty(opts, CHILD, { enumerable: false });
}

/** Of nodemailer-express-handlebars and its like. */
const templateOf = ({ template }) =>
  typeof template === "string" && template ? readable(template) : undefined;

/** Of recipients in any form that nodemailer takes, in lower case. */
function addressesIn(value) {
  if (typeof value === "string") return value.toLowerCase().match(/[^\s<>",;:()]+@[^\s<>",;:()]+/g) ?? [];
  if (Array.isArray(value)) return value.flatMap(addressesIn);
  return typeof value === "object" && value !== null ? addressesIn([value.address, value.group]) : [];
}

/** A digest of all that a mail consists of; undefined where it has streams, files, or objects whose content does not show. */
function contentOf(data) {
  const sources = [
    data.html,
    data.text,
    data.watchHtml,
    data.amp,
    data.icalEvent,
    data.attachments,
    data.alternatives,
  ];
  if (sources.flat().some((source) => source?.path || source?.href) || !isPlain(data)) return undefined;
  try {
    return digestOf(serialize(data)).toString("hex");
  } catch {
    return undefined;
  }
}

/** Whether it consists of values that are all there is to them. A URL, for one, has its text hidden. */
function isPlain(value, seen = new Set()) {
  if (typeof value !== "object" || value === null || seen.has(value)) return true;
  seen.add(value);
  if (value instanceof Date || ArrayBuffer.isView(value)) return true;
  const prototype = Object.getPrototypeOf(value);
  const isObject = Array.isArray(value) || prototype === null || Object.getPrototypeOf(prototype) === null;
  return isObject && Object.values(value).every((one) => isPlain(one, seen));
}

/** nodemailer takes an object, one { key, value }, or an array of these. */
function fieldsOf(headers) {
  if (Array.isArray(headers)) return headers;
  if (headers.key && "value" in headers) return [headers];
  return Object.entries(headers).map(([key, value]) => ({ key, value }));
}

const isNamed = (key, name) => String(key).trim().toLowerCase() === name.toLowerCase();

/** nodemailer leaves such a field out. */
const isBlank = (value) => String(value?.value ?? value ?? "").trim() === "";

/** The object with the header fields is the caller's, who may send it in another job too. */
function addField(data, name, value) {
  const headers = data.headers ?? {};
  const isPlain = !Array.isArray(headers) && !(headers.key && "value" in headers);
  data.headers = isPlain ? { ...headers, [name]: value } : [...fieldsOf(headers), { key: name, value }];
}

/** The text where mailonce takes it as it is, else a UUID of it. */
const readable = (text) => (/^[\x21-\x7e]{1,255}$/.test(text) ? text : uuidOf(text));

/** A UUID of version 5 (RFC 9562 §5.5); the first 16 octets are the namespace. */
function uuidOf(value) {
  const octets = digestOf(`mailonce bullmq ${JSON.stringify(value)}`);
  octets[6] = (octets[6] & 0x0f) | 0x50;
  octets[8] = (octets[8] & 0x3f) | 0x80;
  return octets.toString("hex", 0, 16).replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

const digestOf = (octets) => createHash("sha1").update(octets).digest();
