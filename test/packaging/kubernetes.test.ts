// packaging/kubernetes as far as it can be proven without a cluster: what the manifests say agrees with the image, with the
// gateway and with each other, and an installed gateway runs by them, in folders as the kubelet makes them.
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { parse } from "smol-toml";
import { describe, expect } from "vitest";
import { certificate, PASSWORDS, underTls, writeUsers } from "../support/doors.ts";
import { askAt, bearer } from "../support/http-place.ts";
import { type Place, sesAt } from "../support/place.ts";
import { test } from "../support/place-postgres.ts";
import { environmentOf, run } from "../support/process.ts";
import { taskMail } from "../support/smtp-client.ts";
import { alertRules } from "./alert-rules.ts";
import { textsOf, variablesOf } from "./dockerfile.ts";
import { final, installByTarball } from "./install.ts";
import { at, listAt, manifestOf, manifests, readYaml } from "./manifests.ts";
import { isRoot, startInstalled, USER } from "./sandbox.ts";

const read = (path: string): string => readFileSync(path, "utf8");
const RULES = "packaging/prometheus/alerts.yml";

const set = manifestOf("StatefulSet");
const pod = at(set, "spec.template");
const labels = at(pod, "metadata.labels") as Readonly<Record<string, string>>;
const gateway = at(pod, "spec.containers.0");
const containers = [...listAt(pod, "spec.initContainers"), ...listAt(pod, "spec.containers")];
const toml = (at(manifestOf("ConfigMap"), "data") as Record<string, string>)["mailonce.toml"] ?? "";
const settings = parse(toml);
const environment = variablesOf(textsOf(final, "ENV"));

const isOf = (selector: unknown, found: Readonly<Record<string, string>>): boolean =>
  Object.entries(selector as object).every(([name, value]) => found[name] === value);

/** Of the container that runs the gateway: numbers by the names that services and probes use. */
const ports = new Map(
  listAt(gateway, "ports").map((port) => [at(port, "name"), at(port, "containerPort")] as const),
);

interface Mount {
  readonly name: string;
  readonly mountPath: string;
  readonly readOnly?: boolean;
}

const mountsOf = (container: unknown): readonly Mount[] => listAt(container, "volumeMounts") as Mount[];

/** Of each volume with files: the ConfigMap or the Secret that they come from. */
const volumes = new Map(
  listAt(pod, "spec.volumes").map((volume) => [
    String(at(volume, "name")),
    { source: String(at(volume, "secret.secretName") ?? at(volume, "configMap.name")), volume },
  ]),
);

/** The files of each Secret, by the commands of docs/kubernetes.md. */
const secrets = new Map(
  [...read("docs/kubernetes.md").matchAll(/create secret generic (\S+)((?: \\\n| |--from-\S+)*)/g)].map(
    ([, name = "", options = ""]) => [
      name,
      [...options.matchAll(/--from-file=([\w.-]+)/g)].map(([, file = ""]) => file),
    ],
  ),
);

describe("the manifests", () => {
  test("are all in one namespace, with the version of this package", () => {
    const { version } = JSON.parse(read("package.json")) as { version: string };
    const others = manifests.filter(({ kind }) => kind !== "Namespace");
    expect(others.map(({ metadata }) => metadata.namespace)).toEqual(others.map(() => "mailonce"));
    for (const container of containers) {
      expect(at(container, "image")).toBe(`registry.example.com/mailonce:${version}`);
    }
  });

  test("run the pods as the namespace demands, as the image's user", () => {
    expect(at(manifestOf("Namespace"), "metadata.labels")).toEqual({
      "pod-security.kubernetes.io/enforce": "restricted",
    });
    const [user, group] = (textsOf(final, "USER").at(-1) ?? "").split(":").map(Number);
    expect(at(pod, "spec.securityContext")).toEqual({
      ...{ runAsNonRoot: true, runAsUser: user, runAsGroup: group, fsGroup: group },
      ...{ fsGroupChangePolicy: "OnRootMismatch", seccompProfile: { type: "RuntimeDefault" } },
    });
    for (const container of containers) {
      expect(at(container, "securityContext")).toEqual({
        ...{ readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: ["ALL"] } },
      });
    }
  });

  test("write into the volume only, each pod into one of its own", () => {
    const data = listAt(gateway, "env").find((one) => at(one, "name") === "MAILONCE_DATA_DIR");
    const writable = containers.flatMap(mountsOf).filter(({ readOnly }) => readOnly !== true);
    expect(writable).toEqual([{ name: "data", mountPath: environment.MAILONCE_DATA_DIR }]);
    // The volume's own folder belongs to root.
    expect(at(data, "value")).toBe(`${environment.MAILONCE_DATA_DIR}/data`);
    const claims = listAt(set, "spec.volumeClaimTemplates");
    expect(claims.map((claim) => at(claim, "metadata.name"))).toEqual(["data"]);
    expect(at(set, "spec.persistentVolumeClaimRetentionPolicy")).toEqual({
      ...{ whenScaled: "Retain", whenDeleted: "Retain" },
    });
  });

  test("name files that are mounted, from Secrets that docs/kubernetes.md makes, closed to others", () => {
    const named = [...toml.matchAll(/^\w*_file = "(.*)\/(.*)"$/gm)];
    expect(named.length).toBeGreaterThan(5);
    for (const container of containers) {
      for (const { name } of mountsOf(container)) {
        if (name !== "data") expect([name, volumes.has(name)]).toEqual([name, true]);
      }
      expect(listAt(container, "args").slice(-2)).toEqual([
        "--config",
        `${mountsOf(container).find(({ name }) => name === "config")?.mountPath}/mailonce.toml`,
      ]);
    }
    for (const [, folder, file] of named) {
      const mount = mountsOf(gateway).find(({ mountPath }) => mountPath === folder);
      const { source = "", volume } = volumes.get(mount?.name ?? "") ?? {};
      expect([source, file, secrets.get(source)?.includes(file ?? "")]).toEqual([source, file, true]);
      expect(at(volume, "secret.defaultMode")).toBe(0o440);
    }
  });

  test("agree on the ports", () => {
    expect(ports).toEqual(
      new Map([
        ["smtp", at(settings, "smtp.port")],
        ["https", at(settings, "http.port")],
      ]),
    );
    expect(textsOf(final, "EXPOSE")).toEqual([String(ports.get("smtp"))]);
    for (const service of manifests.filter(({ kind }) => kind === "Service")) {
      for (const port of listAt(service, "spec.ports"))
        expect([...ports.keys()]).toContain(at(port, "targetPort"));
    }
    const hosts = manifests.filter(({ kind }) => kind === "Service").map(({ metadata }) => metadata.name);
    expect(hosts.map((name) => `${name}.mailonce.svc`)).toEqual(
      expect.arrayContaining(at(settings, "http.hosts") as string[]),
    );
  });

  test("agree on the labels of the pods", () => {
    const selectors = [
      at(set, "spec.selector.matchLabels"),
      at(manifestOf("PodDisruptionBudget"), "spec.selector.matchLabels"),
      at(pod, "spec.topologySpreadConstraints.0.labelSelector.matchLabels"),
      ...manifests.filter(({ kind }) => kind === "Service").map((service) => at(service, "spec.selector")),
    ];
    expect(selectors.filter((selector) => !isOf(selector, labels))).toEqual([]);
    // Without the label by which it takes mail, a pod stays in the set, in the budget, and in Prometheus.
    const { "takes-mail": _, ...rest } = labels;
    expect(selectors.filter((selector) => !isOf(selector, rest))).toEqual([
      at(manifestOf("Service"), "spec.selector"),
    ]);
    expect(at(set, "spec.serviceName")).toBe(manifestOf("Service", "mailonce-gateways").metadata.name);
    expect(at(manifestOf("Service", "mailonce-gateways"), "spec.clusterIP")).toBe("None");
  });

  test("several gateways share a ledger, and one at most is away", () => {
    expect(at(set, "spec.replicas")).toBeGreaterThan(1);
    expect(at(settings, "ledger.kind")).not.toBe("embedded");
    expect(at(manifestOf("PodDisruptionBudget"), "spec.maxUnavailable")).toBe(1);
  });

  test("give a stop the time that the gateway takes", () => {
    const [, grace = ""] = /GRACE_MS = ([\d_]+)/.exec(read("src/relay.ts")) ?? [];
    const [, clients = ""] = /(\d+) for a client\s+in the middle/.exec(read("examples/README.md")) ?? [];
    const [command, before] = listAt(gateway, "lifecycle.preStop.exec.command");
    expect(command).toBe("sleep");
    const longest = Math.max(Number(grace.replaceAll("_", "")) / 1_000, Number(clients));
    expect(longest).toBeGreaterThanOrEqual(20);
    const given = at(pod, "spec.terminationGracePeriodSeconds") as number;
    expect(given).toBeGreaterThan(Number(before) + longest);
  });
});

describe("Prometheus", () => {
  const monitor = manifestOf("ServiceMonitor");
  const [endpoint] = listAt(monitor, "spec.endpoints");

  test("the rules are those of packaging/prometheus", async () => {
    const [head = "", groups = ""] = read(RULES).split(/^(?=groups:)/m);
    const text = [
      head.replace(/^# Alert rules for Prometheus\./, "# Alert rules for the Prometheus Operator."),
      "#\n# Made from packaging/prometheus/alerts.yml by `npm run manifests`.\n",
      "apiVersion: monitoring.coreos.com/v1\nkind: PrometheusRule\nmetadata:\n  name: mailonce\n",
      "  namespace: mailonce\n  labels:\n    app.kubernetes.io/name: mailonce\nspec:\n",
      groups.replace(/^(?=.)/gm, "  "),
    ].join("");
    await expect(text).toMatchFileSnapshot("../../packaging/kubernetes/monitoring/prometheus-rule.yaml");
    expect(at(manifestOf("PrometheusRule"), "spec")).toEqual(readYaml(RULES));
  });

  test("scrapes each gateway once, ready or not, under the job that the rules look for", () => {
    const scraped = manifests.filter(
      ({ kind, metadata }) =>
        kind === "Service" &&
        isOf(at(monitor, "spec.selector.matchLabels"), at(metadata, "labels") as Record<string, string>),
    );
    expect(scraped).toEqual([manifestOf("Service", "mailonce-gateways")]);
    expect(at(scraped[0], "spec.publishNotReadyAddresses")).toBe(true);
    expect(listAt(scraped[0], "spec.ports").map((port) => at(port, "name"))).toContain(at(endpoint, "port"));
    const job = (at(scraped[0], "metadata.labels") as Record<string, string>)[
      String(at(monitor, "spec.jobLabel"))
    ];
    const jobs = alertRules.flatMap(({ text }) => [...text.matchAll(/job="(\w+)"/g)].map(([, one]) => one));
    expect(jobs.length).toBeGreaterThan(0);
    expect(new Set(jobs)).toEqual(new Set([job]));
  });

  test("finds its token and the authority, by a name of the certificate", () => {
    const { name, key } = at(endpoint, "authorization.credentials") as { name: string; key: string };
    expect(secrets.get(name)).toEqual([key]);
    const { name: tls, key: authority } = at(endpoint, "tlsConfig.ca.secret") as {
      name: string;
      key: string;
    };
    expect(secrets.get(tls)).toContain(authority);
    const server = at(endpoint, "tlsConfig.serverName");
    expect(at(settings, "http.hosts")).toEqual([server]);
    expect(read("docs/kubernetes.md")).toContain(`DNS:${server}`);
  });
});

/** Files as the kubelet mounts them: by links, in a folder that is replaced as a whole when they change. */
function mountFiles(folder: string, files: Readonly<Record<string, string>>, mode: number): void {
  const version = `..${process.hrtime.bigint()}`;
  mkdirSync(join(folder, version), { recursive: true });
  for (const [name, content] of Object.entries(files)) {
    const path = join(folder, version, name);
    writeFileSync(path, content);
    if (isRoot) chownSync(path, 0, USER);
    chmodSync(path, mode);
  }
  symlinkSync(version, join(folder, "..next"));
  const isFirst = !existsSync(join(folder, "..data"));
  renameSync(join(folder, "..next"), join(folder, "..data"));
  if (isFirst) for (const name of Object.keys(files)) symlinkSync(`..data/${name}`, join(folder, name));
}

interface Started {
  readonly running: Awaited<ReturnType<typeof startInstalled>>;
  readonly http: number;
  readonly token: string;
  readonly tls: string;
}

/** Runs both containers by the manifests; only paths, free ports and the address of SES are others. */
async function startPod(place: Place, url: string): Promise<Started> {
  const etc = join(place.folder, "etc");
  const passwords = join(place.folder, "users");
  await writeUsers(passwords, { shop: PASSWORDS.shop });
  const tokens = join(place.folder, "tokens");
  const token = (await run(["token", "add", "prometheus", "--role", "read", "--file", tokens])).stdout.trim();
  const { cert, key } = certificate("server");
  const files = {
    config: { "mailonce.toml": toml.replaceAll("/etc/mailonce", etc) },
    secrets: { "identity-secret": "a secret of the identity\n", "postgres-url": `${url}\n` },
    access: { users: read(passwords), tokens: read(tokens) },
    tls: { "tls.crt": cert, "tls.key": key },
  };
  for (const [name, content] of Object.entries(files)) {
    expect(volumes.has(name)).toBe(true);
    mountFiles(join(etc, name), content, name === "config" ? 0o644 : 0o440);
  }
  // By fsGroup: the volume's folder belongs to root, and the group may write.
  const volume = join(place.folder, "volume");
  mkdirSync(volume);
  if (isRoot) chownSync(volume, 0, USER);
  chmodSync(volume, 0o2775);
  const installed = installByTarball(place.folder);
  const ses = await place.ses();
  const main = join(installed, "dist/main.js");
  const argsOf = (container: unknown) =>
    listAt(container, "args").map((arg) => String(arg).replace("/etc/mailonce", etc));
  const given = Object.entries(environmentOf(sesAt(ses))).filter(([name]) => /^(AWS|MAILONCE)_/.test(name));
  const env = { ...environment, HOME: volume, ...Object.fromEntries(given) };
  const migrated = await run(argsOf(containers[0]), {}, "/", { main });
  expect(migrated).toMatchObject({ code: 0, stderr: "" });
  const running = await startInstalled(main, join(volume, "data"), env, argsOf(gateway), volume);
  place.atEnd(() => running.stop());
  const { http } = await running.logged("gateway.listening");
  return { running, http: Number(String(http).split(":").at(-1)), token, tls: join(etc, "tls") };
}

test("a gateway runs by them: probes, metrics, a repeat, a new certificate, a stop", {
  timeout: 300_000,
}, async ({ place, schema }) => {
  chmodSync(place.folder, 0o711);
  const { running, http, token, tls } = await startPod(place, schema.url);
  expect(running.lines.filter(({ level }) => level !== "info")).toEqual([]);

  for (const name of ["startupProbe", "livenessProbe", "readinessProbe"]) {
    const { path, port, scheme } = at(gateway, `${name}.httpGet`) as Record<string, string>;
    expect([port, scheme]).toEqual(["https", "HTTPS"]);
    expect((await askAt(http, path ?? "", {}, true)).status).toBe(200);
  }
  const [endpoint] = listAt(manifestOf("ServiceMonitor"), "spec.endpoints");
  const path = String(at(endpoint, "path"));
  expect((await askAt(http, path, {}, true)).status).toBe(401);
  const scraped = await askAt(http, path, { headers: bearer(token) }, true);
  expect(scraped.body).toContain('mailonce_build_info{version="');

  const client = await underTls(running.port, "starttls");
  const login = Buffer.from(`\0shop\0${PASSWORDS.shop}`).toString("base64");
  expect(await client.command(`AUTH PLAIN ${login}`)).toMatch(/^235 /);
  const mail = { to: ["user@example.com"], content: taskMail("7b9c1d1e-6f2a-4d57-9d0e-1d5c2f0f3a11") };
  expect(await client.submit(mail)).toContain("queued as");
  expect(await client.submit(mail)).toContain("repeat of");
  await client.quit();

  // As the kubelet does it, when somebody has changed the Secret.
  const { cert, key } = certificate("server-renewed");
  mountFiles(tls, { "tls.crt": cert, "tls.key": key }, 0o440);
  await running.logged("tls.reloaded");
  expect(await running.stop()).toBe(0);
});

test("the variables that Kubernetes sets for a Service would be refused, so it sets none", async () => {
  expect(at(pod, "spec.enableServiceLinks")).toBe(false);
  const { code, stderr } = await run(["check-config"], { SERVICE_HOST: "10.0.0.1" });
  expect([code, stderr]).toEqual([2, "mailonce: MAILONCE_SERVICE_HOST: no such key\n"]);
});
