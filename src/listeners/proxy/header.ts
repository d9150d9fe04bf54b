// Reads the PROXY header that a load balancer puts before a connection's first octet (HAProxy,
// doc/proxy-protocol.txt): before the SMTP dialogue, and before the handshake of implicit TLS. The caller
// decides who may send a header: only connections of listed proxies come here.
import type { Socket } from "node:net";
import { type Clock, systemClock } from "../../runtime/clock.ts";
import { type ProxySource, parseProxyHeader } from "./parse.ts";

/**
 * Reads the header and puts back what follows it. The socket is then paused and without a listener of
 * this function, ready to be piped or to be wrapped into a TLSSocket; its `error` event has to get a
 * listener before the event loop turns.
 *
 * @param socket just accepted, nothing read from it
 * @param timeoutMs for the header as a whole; the standard wants at least 3 seconds, for a lost segment
 * @throws Error when the header is malformed, too long or too slow, or the connection ends before it does.
 *   The socket is destroyed then. The message repeats nothing that was received.
 */
export function readProxyHeader(
  socket: Socket,
  timeoutMs: number,
  clock: Clock = systemClock,
): Promise<ProxySource> {
  return new Promise((resolve, reject) => {
    let received = Buffer.alloc(0);

    const settle = (): void => {
      timer.cancel();
      socket.off("readable", onReadable);
      socket.off("end", onEnd);
      socket.off("close", onEnd);
      socket.off("error", onError);
    };
    const refuse = (message: string, cause?: Error): void => {
      settle();
      // A reset that is on its way must find a listener, or it ends the process.
      socket.on("error", () => {});
      socket.destroy();
      reject(new Error(`PROXY header: ${message}`, cause === undefined ? {} : { cause }));
    };
    const onEnd = (): void => refuse("the connection ended before it was complete");
    const onError = (error: Error): void => refuse("the connection broke before it was complete", error);
    const onReadable = (): void => {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) {
        received = received.length === 0 ? chunk : Buffer.concat([received, chunk]);
        const parsed = parseProxyHeader(received);
        if (parsed.kind === "incomplete") continue;
        if (parsed.kind === "fault") {
          refuse(parsed.fault);
          return;
        }
        settle();
        // In the same turn as read(): later, a peer that has closed its side would make this an error.
        if (received.length > parsed.length) socket.unshift(received.subarray(parsed.length));
        resolve(parsed.source);
        return;
      }
    };

    const timer = clock.after(timeoutMs, () => refuse(`not complete within ${timeoutMs} ms`));
    socket.on("readable", onReadable);
    socket.on("end", onEnd);
    socket.on("close", onEnd);
    socket.on("error", onError);
    // A socket that ended before it had a listener emits no further event.
    if (socket.destroyed || socket.readableEnded) onEnd();
  });
}
