// An operator beside the load who pauses the upstream and resumes it, until the gateway is gone or the load is over; and
// what a start has to know of it.
import { askGateway } from "../../src/operator/http/client.ts";
import { gatewayPausing } from "../../src/operator/http/pausing-client.ts";

/** What the last order that was answered has left; unknown where another one was under way at the end. */
export type LeftPaused = "paused" | "resumed" | "unknown";

/** Between two orders, so that mail is attempted. */
const REST_MS = 5;

const rest = () => new Promise((resolve) => setTimeout(resolve, REST_MS));

export async function pauseAndResume(dataFolder: string, isOver: () => boolean): Promise<LeftPaused> {
  const pausing = gatewayPausing(dataFolder);
  let left: LeftPaused = "unknown";
  try {
    while (!isOver()) {
      left = "unknown";
      await pausing.pause(undefined, undefined, undefined);
      left = "paused";
      await rest();
      left = "unknown";
      await pausing.resume(undefined, {});
      left = "resumed";
      await rest();
    }
  } catch {
    // The gateway is gone.
  }
  return left;
}

/** Resumes at a gateway that has just started. @returns what of the pause does not agree */
export async function resumeAfter(dataFolder: string, left: LeftPaused): Promise<string[]> {
  const made = await gatewayPausing(dataFolder).resume(undefined, {});
  const isPaused = made.ok && made.upstreams.some(({ was }) => was === "paused");
  if (left === "paused" && !isPaused) return ["its upstream was paused, and a start does not know it"];
  if (left === "resumed" && isPaused) return ["its upstream was resumed, and is paused after a start"];
  return [];
}

/** Resolves when the gateway takes no more mail, or is gone. */
export async function drain(dataFolder: string): Promise<void> {
  await askGateway(dataFolder, "POST", "/api/v1/drain", {}).catch(() => {});
}
