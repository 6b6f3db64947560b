// Posts as Node does: fetch with a body and with a stream, node:http in chunks and with Expect.
// node notify.mjs BODY URL...: one line a request, its status.

import http from "node:http";
import { Readable } from "node:stream";

const [body, ...urls] = process.argv.slice(2);
const headers = { "Content-Type": "application/json" };
const agent = new http.Agent({ keepAlive: true });

async function fetched(url, options) {
  const response = await fetch(url, { method: "POST", headers, ...options });
  await response.text();
  console.log(response.status);
}

function sent(url, more) {
  return new Promise((resolve, reject) => {
    const request = http.request(url, { method: "POST", agent, headers: { ...headers, ...more } }, (response) => {
      console.log(response.statusCode);
      response.resume().on("end", resolve);
    });
    request.on("error", reject);
    if (more.Expect) {
      request.on("continue", () => request.end(body));
      request.flushHeaders();
    } else {
      request.write(body.slice(0, 5));
      request.end(body.slice(5));
    }
  });
}

for (const url of urls) {
  await fetched(url, { body });
  await fetched(url, { body: Readable.toWeb(Readable.from([Buffer.from(body)])), duplex: "half" });
  await sent(url, {});
  await sent(url, { Expect: "100-continue", "Content-Length": Buffer.byteLength(body) });
}
agent.destroy();
