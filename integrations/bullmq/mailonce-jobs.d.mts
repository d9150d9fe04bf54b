/** A processor whose mails have the id of its job. */
export function inJob<Job, Rest extends unknown[], Result>(
  processor: (job: Job, ...rest: Rest) => Result,
): (job: Job, ...rest: Rest) => Promise<Awaited<Result>>;

/** The nodemailer plugin for the step "compile". It adds nothing where the mail has a task, or outside a job. */
// biome-ignore lint/suspicious/noExplicitAny: the types of nodemailer differ between its versions
export function taskId(): (mail: any, done: (error?: Error | null) => void) => void;

/** The same Queue or FlowProducer; what a job adds to it has a task that follows from the job's own. */
export function childIds<Queue extends object>(queue: Queue): Queue;

/** The task of a job, or undefined where the job has been added to no queue. */
export function taskOf(job: {
  readonly queueQualifiedName?: string;
  readonly id?: string | undefined;
  readonly timestamp?: number;
  readonly opts?: object;
}): string | undefined;
