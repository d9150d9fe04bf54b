import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { queueNameOf, regionOf } from "../../../src/upstream/ses/events/queue-url.ts";

test.each([
  ["https://sqs.eu-west-1.amazonaws.com/111122223333/mailonce", "eu-west-1"],
  ["https://sqs.us-gov-west-1.amazonaws.com/111122223333/mailonce", "us-gov-west-1"],
  ["https://sqs.cn-north-1.amazonaws.com.cn/111122223333/mailonce", "cn-north-1"],
  ["https://sqs-fips.us-east-2.amazonaws.com/111122223333/mailonce", "us-east-2"],
  ["https://sqs.ap-southeast-2.api.aws/111122223333/mailonce", "ap-southeast-2"],
  ["https://eu-central-1.queue.amazonaws.com/111122223333/mailonce", "eu-central-1"],
  ["https://vpce-0a1-b2c.sqs.eu-west-1.vpce.amazonaws.com/111122223333/mailonce", "eu-west-1"],
  ["http://127.0.0.1:4566/000000000000/mailonce", undefined],
  ["https://sqs.eu-west-1.amazonaws.com.evil.example/1/mailonce", undefined],
  ["https://queue.amazonaws.com/111122223333/mailonce", undefined],
])("%s is in %s", (url, region) => {
  expect(regionOf(url)).toBe(region);
  expect(queueNameOf(url)).toBe("mailonce");
});

test("the SDK of SQS is loaded where events are configured, and nowhere else", () => {
  const sources = readdirSync("src", { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => [name, readFileSync(join("src", name), "utf8")] as const);
  const importing = (pattern: RegExp) =>
    sources.filter(([, text]) => pattern.test(text)).map(([name]) => name);
  expect(importing(/"@aws-sdk\/client-sqs"/)).toEqual(["upstream/ses/events/sqs.ts"]);
  // At once; types are gone when it runs.
  expect(importing(/^import (?!type )[^;]*"\.[^"]*\/sqs\.ts"/m)).toEqual([]);
  expect(importing(/import\("\.\/sqs\.ts"\)/)).toEqual(["upstream/ses/events/open.ts"]);
});
