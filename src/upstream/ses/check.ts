// What can be known of SES without sending: whether region and credentials are there, and what the account says.
import { oneLine } from "../line.ts";
import type { UpstreamCheck } from "../upstream.ts";
import type { SesClient } from "./client.ts";

/** What is missing, with what to do about it; undefined when nothing is. */
export async function lacking(client: Pick<SesClient, "resolve">): Promise<string | undefined> {
  try {
    await client.resolve();
    return undefined;
  } catch (error) {
    return oneLine(`${String(error)} (see "Amazon SES" in docs/upstreams.md)`);
  }
}

export async function checkSes(client: SesClient, signal: AbortSignal): Promise<UpstreamCheck> {
  try {
    const { region } = await client.resolve();
    const { quota, isPaused, isSandbox } = await client.readAccount(signal);
    const { MaxSendRate: rate, Max24HourSend: max = -1, SentLast24Hours: sent = 0 } = quota;
    const left = max < 0 ? "no limit for 24 hours" : `${Math.max(0, max - sent)} of ${max} left in 24 hours`;
    const facts = `${region}, ${rate ?? "?"} a second, ${left}${isSandbox ? ", in the sandbox" : ""}`;
    return {
      isUsable: !isPaused,
      finding: isPaused ? `sending is paused for the account (${facts})` : facts,
    };
  } catch (error) {
    const { name, message } = error as Error;
    const finding = oneLine(`${name}: ${message}`);
    // It knows us; the right to ask is a courtesy.
    if (name === "AccessDeniedException") {
      return { isUsable: true, finding: `takes the credentials, and nothing more is known: ${finding}` };
    }
    return { isUsable: false, finding };
  }
}

/** An address may be sent from when it is verified, or its domain, or one above that. */
export async function unverifiedSender(
  client: Pick<SesClient, "isVerified">,
  address: string,
  signal: AbortSignal,
  what: "reports" | "mail" = "reports",
): Promise<string | undefined> {
  const labels = address.slice(address.lastIndexOf("@") + 1).split(".");
  const domains = labels.slice(0, -1).map((_, at) => labels.slice(at).join("."));
  try {
    for (const identity of [address, ...domains]) {
      if (await client.isVerified(identity, signal)) return undefined;
    }
    return what === "reports"
      ? `SES has verified neither ${address} nor its domain, and would refuse reports from there: set [notices] from`
      : `SES has not verified ${domains[0]}, and would refuse mail from there: verify the domain in SES`;
  } catch {
    // The right to ask is a courtesy.
    return undefined;
  }
}
