// bcrypt hashes that migrants bring, verified in a thread of their own. bcryptjs computes in JavaScript, and
// its asynchronous calls hold the event loop for 100 ms at a time: everybody's mail would wait for one
// client's password. bcryptjs is named here and nowhere else.
import { createRequire } from "node:module";
import { Worker } from "node:worker_threads";

/** What the thread runs. A string, since the sources run as TypeScript in tests and as JavaScript otherwise. */
const THREAD = `
const { parentPort, workerData } = require("node:worker_threads");
const { compareSync } = require(workerData);
parentPort.on("message", ({ id, password, hash }) => {
  parentPort.postMessage({ id, right: compareSync(password, hash) });
});
`;

interface Answer {
  readonly id: number;
  readonly right: boolean;
}

interface Question {
  resolve(right: boolean): void;
  reject(error: Error): void;
}

/** Asks the thread, which is started at the first question and kept: starting it costs some 30 ms. */
let thread: ((password: string, hash: string) => Promise<boolean>) | undefined;

/**
 * Whether the password is right. Octets after the 72nd don't count, as in every bcrypt.
 *
 * @param hash 60 characters, "$2a$", "$2b$" or "$2y$"
 */
export function verifyBcrypt(password: string, hash: string): Promise<boolean> {
  thread ??= startThread(() => {
    thread = undefined;
  });
  return thread(password, hash);
}

function startThread(ended: () => void): (password: string, hash: string) => Promise<boolean> {
  const worker = new Worker(THREAD, {
    eval: true,
    workerData: createRequire(import.meta.url).resolve("bcryptjs"),
  });
  const questions = new Map<number, Question>();
  let lastId = 0;

  /** The thread keeps the process alive while it is asked something, and only then. */
  const take = (id: number): Question | undefined => {
    const question = questions.get(id);
    questions.delete(id);
    if (questions.size === 0) worker.unref();
    return question;
  };
  const fail = (error: Error): void => {
    ended();
    for (const id of [...questions.keys()]) take(id)?.reject(error);
  };
  worker.on("message", ({ id, right }: Answer) => take(id)?.resolve(right));
  worker.on("error", fail);
  worker.on("exit", () => fail(new Error("the thread for bcrypt has ended")));

  return (password, hash) =>
    new Promise((resolve, reject) => {
      const id = ++lastId;
      questions.set(id, { resolve, reject });
      worker.ref();
      worker.postMessage({ id, password, hash });
    });
}
