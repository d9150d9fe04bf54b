// The HTML of a hostile mail, in a browser: nothing of it runs, leaves the frame or asks anybody for anything.
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:net";
import { createTransport } from "nodemailer";
import { expect } from "vitest";
import { openWindow } from "../support/browser.ts";
import { originOf, test } from "../support/browser-place.ts";
import { signInAs, withTokens } from "../support/browser-sign-in.ts";

test("a mail's HTML runs nothing, loads nothing and leads nowhere; its attachments are downloads", async ({
  place,
  browser,
  skip,
}) => {
  if (browser === undefined) return skip("chromium is not installed");
  let connections = 0;
  let requests = 0;
  const server = createServer((socket) => {
    connections++;
    // A browser that goes away resets it.
    socket.once("data", () => requests++).on("error", () => {});
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  place.atEnd(() => server.close());
  const elsewhere = `http://127.0.0.1:${(server.address() as { port: number }).port}`;
  const gateway = await place.start(withTokens(place));
  const transport = createTransport({ host: "127.0.0.1", port: gateway.port, ignoreTLS: true });
  const RUN = "top.__ran = window.__ran = true";
  await transport.sendMail({
    ...{ from: "app@sender.example", to: "user@example.com", subject: "hostile", text: "text" },
    html: [
      `<p>seen</p><script>${RUN}</script><img src="${elsewhere}/a" onerror="${RUN}"><svg onload="${RUN}"></svg>`,
      `<meta http-equiv="refresh" content="0;url=${elsewhere}/b"><link rel="stylesheet" href="${elsewhere}/c">`,
      `<style>p { background: url(${elsewhere}/d) }</style><iframe src="${elsewhere}/e"></iframe>`,
      `<link rel="preconnect" href="${elsewhere}"><link rel="dns-prefetch" href="${elsewhere}">`,
      `<a href="${elsewhere}/f">there</a> <a href="javascript:${RUN}">run</a> <a href="/" target="_top">leave</a>`,
      `<a href="${elsewhere}/g" target="_blank">open</a><form action="${elsewhere}/h"><button>send</button></form>`,
    ].join("\n"),
    attachments: [{ filename: "page.html", content: `<script>${RUN}</script>` }],
    headers: { "X-Task-Id": randomUUID() },
  });
  transport.close();
  await gateway.logged("transmission.relayed");

  const window = await openWindow(browser, originOf(gateway), { height: 1600 });
  try {
    const { page } = window;
    await signInAs(page, "read");
    await page.goto("/outbox");
    await page.getByRole("link", { name: "hostile" }).click();
    const begun = page.waitForEvent("download");
    await page.getByRole("link", { name: "Download page.html" }).click();
    expect((await begun).suggestedFilename()).toBe("page.html");
    await page.getByRole("link", { name: "HTML", exact: true }).click();
    const at = page.url();
    const frame = page.frameLocator("iframe.foreign");
    await frame.getByText("seen").waitFor();
    await page.getByRole("link", { name: "Source" }).click();
    await page.getByText("Return-Path").waitFor();
    expect(connections).toBe(0);
    await page.goBack();
    for (const name of ["run", "leave", "open", "send", "there"]) {
      await frame.getByText(name, { exact: true }).click();
    }
    expect([page.url(), page.context().pages().length]).toEqual([at, 1]);
    expect(await page.evaluate("window.__ran")).toBeUndefined();
    // Opened without our frame around it, it is as harmless.
    await page.goto(at.replace("?show=html", "/html"));
    await page.getByText("seen").waitFor();
    await page.getByText("run", { exact: true }).click();
    expect(await page.evaluate("window.__ran")).toBeUndefined();
    // Of a link that somebody presses Chromium asks too late whether it may be followed: it has connected, and asks for nothing.
    expect(requests).toBe(0);
  } finally {
    await window.close();
  }
});
