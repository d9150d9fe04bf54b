// Refusals of credentials by AWS, whichever service they come from: then the credentials are read again, since somebody
// may have put others in their place. Pure.

/**
 * Refusals of the credentials, of the signature made with them, or of its time. Services answer them with 401, 403
 * or, in some protocols, 400.
 */
const NAMES: ReadonlySet<string> = new Set([
  ...["ExpiredToken", "InvalidToken", "TokenRefreshRequired", "InvalidClientTokenId", "UnrecognizedClient"],
  ...["InvalidAccessKeyId", "MissingAuthenticationToken", "AuthFailure", "OptInRequired"],
  ...["SignatureDoesNotMatch", "InvalidSignature", "IncompleteSignature", "AuthorizationHeaderMalformed"],
  ...["RequestExpired", "RequestTimeTooSkewed", "RequestInTheFuture"],
]);

/** The same where it comes without a name of its own, or under another's. */
const TEXT =
  /security token (?:included in the request )?is (?:expired|invalid)|signature (?:expired|not yet current)|signature we calculated does not match/i;

interface AwsError {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

/** As a client of the SDK names it, or by what the service says. */
export const speaksOfCredentials = (name: string, text: string): boolean =>
  NAMES.has(name.replace(/Exception$/, "")) || TEXT.test(text);

/** Whether it was refused for our credentials, so that reading them again may help. */
export function isRefusalOfCredentials(thrown: unknown): boolean {
  const error: AwsError = typeof thrown === "object" && thrown !== null ? thrown : {};
  const name = String(error.name ?? "");
  const status = error.$metadata?.httpStatusCode;
  if (speaksOfCredentials(name, String(error.message ?? ""))) return true;
  return (status === 401 || status === 403) && !name.startsWith("AccessDenied");
}

/**
 * The default chain keeps what it has read of files for ever; a client with this does not. It takes its settings from
 * those of the client, and the client's types don't know this one.
 */
export const WITHOUT_CACHED_FILES = { ignoreCache: true } as object;

/**
 * Makes calls. Once one is refused for its credentials, the next has them read again first: somebody may have changed
 * them.
 *
 * @param read of a client of the SDK
 */
export function rereadingCredentials(read: (options: { forceRefresh: boolean }) => Promise<unknown>) {
  let areRefused = false;
  return async <T>(call: () => Promise<T>): Promise<T> => {
    if (areRefused) await read({ forceRefresh: true });
    try {
      const answer = await call();
      areRefused = false;
      return answer;
    } catch (error) {
      areRefused = isRefusalOfCredentials(error);
      throw error;
    }
  };
}
