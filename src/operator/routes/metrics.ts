// What Prometheus scrapes.
import { catalogueOf } from "../../metrics/catalogue.ts";
import { createExposition, type Exposition } from "../../metrics/exposition.ts";
import type { Route } from "../http/route.ts";
import type { Running } from "./parts.ts";

export function metricsRoutes(running: Running): Route[] {
  let exposition: Exposition | undefined;
  return [
    {
      ...{ method: "GET", path: "/metrics", needs: "visitor" },
      about: { summary: "What Prometheus scrapes", contentType: "text/plain" },
      answer: running(async (_, { counters, readings }) => {
        exposition ??= createExposition(catalogueOf(counters, readings));
        return { kind: "text", text: await exposition.text(), contentType: exposition.contentType };
      }),
    },
  ];
}
