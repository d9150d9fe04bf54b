// The URL of a queue of SQS names its region. Pure.

/** Hosts of the service, with FIPS, of dual stack, of an endpoint in a VPC, and the old one. */
const HOSTS: readonly RegExp[] = [
  /^sqs(?:-fips)?\.([a-z]{2}(?:-[a-z]+)+-\d+)\.(?:amazonaws\.com(?:\.cn)?|api\.aws|api\.amazonwebservices\.com\.cn)$/,
  /^vpce-[a-z0-9-]+\.sqs\.([a-z]{2}(?:-[a-z]+)+-\d+)\.vpce\.amazonaws\.com(?:\.cn)?$/,
  /^([a-z]{2}(?:-[a-z]+)+-\d+)\.queue\.amazonaws\.com(?:\.cn)?$/,
];

/** Undefined where the host names none, as that of a test. */
export function regionOf(queueUrl: string): string | undefined {
  const { hostname } = new URL(queueUrl);
  for (const host of HOSTS) {
    const region = host.exec(hostname)?.[1];
    if (region !== undefined) return region;
  }
  return undefined;
}

/** The queue's name, as people know it: the last part of the path. */
export const queueNameOf = (queueUrl: string): string =>
  new URL(queueUrl).pathname.split("/").filter(Boolean).at(-1) ?? queueUrl;
