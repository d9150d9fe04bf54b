// A page of a stranger, in the browser of somebody who works on the machine of the gateway, can't send mail by the API of SES:
// version 1 is a plain form, which any page may post anywhere.
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { expect } from "vitest";
import { openSite } from "../ses-api/place.ts";
import { openWindow } from "../support/browser.ts";
import { test } from "../support/browser-place.ts";

const MAIL = "From: a@sender.example\r\nTo: b@example.com\r\nSubject: Forged\r\n\r\nHello.\r\n";

test("neither by a form nor by a script", async ({ browser, open: _, place }) => {
  const site = await openSite(place);
  const page = createServer((_request, response) => {
    response.setHeader("Content-Type", "text/html");
    response.end(`<!doctype html><form method="post" action="${site.url}/">
      <input name="Action" value="SendRawEmail">
      <input name="RawMessage.Data" value="${Buffer.from(MAIL).toString("base64")}">
      <button>Win a prize</button></form>`);
  }).listen(0, "127.0.0.1");
  place.atEnd(() => page.close());
  await once(page, "listening");
  if (browser === undefined) throw new Error("there is no browser");
  const window = await openWindow(browser, `http://127.0.0.1:${(page.address() as AddressInfo).port}`);
  place.atEnd(() => window.close());
  await window.page.goto("/");
  await window.page.evaluate(
    ([url, mail]) =>
      fetch(`${url}/`, {
        ...{ method: "POST", mode: "no-cors" },
        body: new URLSearchParams({ Action: "SendRawEmail", "RawMessage.Data": mail as string }),
      }),
    [site.url, Buffer.from(MAIL).toString("base64")],
  );
  await window.page.getByRole("button", { name: "Win a prize" }).click();
  await site.gateway.logged("api.refused", 2);
  expect(site.gateway.said("api.refused").map(({ reason }) => reason)).toEqual(
    Array(2).fill("web pages may not call this API"),
  );
  expect(site.gateway.said("submission.accepted")).toEqual([]);
});
