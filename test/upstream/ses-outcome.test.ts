import { describe, expect, test } from "vitest";
import { outcomeOfError } from "../../src/upstream/ses-outcome.ts";
import { verdictOf } from "../conformance/upstream.ts";

const error = (fields: object) => Object.assign(new Error("what happened"), fields);
const handedOn = { handedOn: true, ownConfigurationSet: false, now: Date.parse("2026-10-21T07:28:00Z") };
const connect = (code: string) => error({ code, syscall: "connect" });

describe("without an answer", () => {
  test.each([
    ["refused", connect("ECONNREFUSED"), "upstream"],
    ["no such name", error({ code: "ENOTFOUND", syscall: "getaddrinfo" }), "upstream"],
    ["no name service", error({ code: "EAI_AGAIN", syscall: "getaddrinfo" }), "upstream"],
    ["no route", connect("EHOSTUNREACH"), "upstream"],
    ["no network", connect("ENETUNREACH"), "upstream"],
    ["the system's connect time-out", connect("ETIMEDOUT"), "upstream"],
    [
      "all addresses refused",
      error({ code: "ECONNREFUSED", errors: [connect("ECONNREFUSED"), connect("ENETUNREACH")] }),
      "upstream",
    ],
    [
      "one of several addresses reset",
      error({ code: "ECONNREFUSED", errors: [connect("ECONNREFUSED"), error({ code: "ECONNRESET" })] }),
      "doubtful",
    ],
    ["reset", error({ code: "ECONNRESET", name: "TimeoutError" }), "doubtful"],
    ["broken pipe", error({ code: "EPIPE", name: "TimeoutError" }), "doubtful"],
    ["time-out while reading", error({ code: "ETIMEDOUT", syscall: "read" }), "doubtful"],
    ["the handler's request time-out", error({ code: "ETIMEDOUT", name: "TimeoutError" }), "doubtful"],
    ["abort", error({ name: "AbortError" }), "doubtful"],
    ["a TLS alert", error({ code: "EPROTO", syscall: "write" }), "doubtful"],
    ["no error at all", undefined, "doubtful"],
    ["a text", "lost", "doubtful"],
  ])("%s", (_, thrown, verdict) => {
    expect(verdictOf(outcomeOfError(thrown, handedOn))).toBe(verdict);
  });

  test("what fails before the request was handed on was not sent", () => {
    const call = { ...handedOn, handedOn: false };
    expect(verdictOf(outcomeOfError(error({ code: "ECONNRESET" }), call))).toBe("upstream");
    expect(verdictOf(outcomeOfError(error({ name: "AbortError" }), call))).toBe("transient");
  });
});

describe("an answer", () => {
  const answered = (httpStatusCode: number, name: string, headers = {}) =>
    outcomeOfError(error({ name, $metadata: { httpStatusCode }, $response: { headers } }), handedOn);

  test.each([
    [413, "Unknown", "permanent"],
    [401, "Unknown", "upstream"],
    [429, "Unknown", "transient"],
    [408, "Unknown", "transient"],
    [400, "constructor", "transient"],
    [500, "MessageRejected", "doubtful"],
    [200, "SyntaxError", "doubtful"],
    [302, "Unknown", "doubtful"],
  ])("%d %s is %s", (status, name, verdict) => {
    expect(verdictOf(answered(status, name))).toBe(verdict);
  });

  test.each([
    [{ "retry-after": "30" }, 30_000],
    [{ "x-amz-retry-after": "1500" }, 1_500],
    [{ "retry-after": "999999" }, 3_600_000],
    [{ "retry-after": "Wed, 21 Oct 2026 07:28:45 GMT" }, 45_000],
    [{ "retry-after": "Wed, 21 Oct 2026 07:00:00 GMT" }, 0],
    [{ "retry-after": "Wed, 21 Oct 2076 07:28:00 GMT" }, 3_600_000],
    [{ "retry-after": "tomorrow" }, 250],
    [{ "retry-after": "-5" }, 250],
    [{ "retry-after": "" }, 250],
    [{}, 250],
  ])("with %j is retried after %d ms", (headers, retryAfterMs) => {
    expect(answered(429, "TooManyRequestsException", headers)).toMatchObject({ retryAfterMs });
  });

  test("only too fast is throttling", () => {
    expect(answered(429, "TooManyRequestsException")).toMatchObject({ throttled: true });
    expect(answered(400, "SendingPausedException")).not.toHaveProperty("throttled");
  });

  test("a configuration set that is not there is the fault of whoever named it", () => {
    const missing = error({ name: "NotFoundException", $metadata: { httpStatusCode: 404 } });
    expect(verdictOf(outcomeOfError(missing, handedOn))).toBe("upstream");
    const own = { ...handedOn, ownConfigurationSet: true };
    expect(verdictOf(outcomeOfError(missing, own))).toBe("permanent");
  });
});
