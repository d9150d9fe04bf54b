// The body of a request, whole: a signature covers all of it.
import type { IncomingMessage } from "node:http";
import type { ReceiveShare } from "../../submission/receive-budget.ts";
import { CallError } from "./call.ts";

/**
 * @param max octets
 * @param share takes the octets as they come, so that a length that is only said holds nothing
 * @throws CallError
 */
export async function readBody(
  request: IncomingMessage,
  max: number,
  share: ReceiveShare,
): Promise<Uint8Array> {
  // Made when it is thrown: an error takes its stack, and each mail would pay for one.
  const tooLarge = (): CallError => new CallError("rejected", `the request is larger than ${max} octets`);
  if (Number(request.headers["content-length"] ?? 0) > max) throw tooLarge();
  const chunks: Buffer[] = [];
  let octets = 0;
  try {
    for await (const chunk of request as AsyncIterable<Buffer>) {
      octets += chunk.length;
      if (octets > max) throw tooLarge();
      if (!share.take(chunk.length)) {
        throw new CallError("unavailable", "too much mail at once, try again later");
      }
      chunks.push(chunk);
    }
  } catch (error) {
    if (error instanceof CallError) throw error;
    throw new CallError("unavailable", "the client went away before the end of the request");
  }
  return Buffer.concat(chunks, octets);
}
