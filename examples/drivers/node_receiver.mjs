// A receiver of notifications on node:http, with the client of node_fetch.mjs, and the driver of both:
// statum-conformance certify --driver 'node examples/drivers/node_receiver.mjs'

import { randomUUID } from "node:crypto";
import { createServer } from "node:http";
import { REQUIRED, drive, invoke } from "./node_fetch.mjs";

const PRODUCTS = ["sms", "airtime", "mpesa-online", "mpesa-wallet"];
const TOKEN = randomUUID(); // notifications carry no signature: who does not know this is not the gateway
const PATHS = PRODUCTS.map((product) => `/hooks/${product}?token=${TOKEN}`);
const MOST_BYTES = 64 * 1024;

// The first word on a request stands, for there may be more; none is turned away, for it may come before the answer.
const results = new Map();

// The id of the request that a notification is about, and what it tells. Throws if it is no notification.
function understood(body) {
  const { request_id, result_code, result_desc } = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  if (![request_id, result_code, result_desc].every((value) => typeof value === "string")) throw new TypeError();
  return [request_id, { result_code, result_desc }];
}

// The status that answers a request: 204 for a notification, 4xx for anything else.
async function status(request) {
  const pieces = [];
  let length = 0;
  for await (const piece of request) {
    length += piece.length; // what is too much is read all the same, to be refused in peace
    if (length <= MOST_BYTES) pieces.push(piece);
  }
  if (!PATHS.includes(request.url)) return 404;
  if (request.method !== "POST") return 405;
  if (length > MOST_BYTES) return 413;
  if ((request.headers["content-type"] ?? "").split(";")[0].trim().toLowerCase() !== "application/json") return 415;
  try {
    const [requestId, told] = understood(Buffer.concat(pieces));
    if (!results.has(requestId)) results.set(requestId, told);
    return 204;
  } catch {
    return 400;
  }
}

const server = createServer((request, response) =>
  status(request).then(
    (code) => response.writeHead(code).end(),
    () => response.destroy(), // the sender went away
  ),
);

// What became of a request, in the words of the driver protocol.
function result({ request_id }) {
  const told = results.get(request_id);
  if (told === undefined) return { state: "pending", applied: 0 };
  return { ...told, state: told.result_code === "200" ? "succeeded" : "failed", applied: 1 };
}

server.listen({ port: 0, host: "127.0.0.1", backlog: 512 }, async () => {
  const { port } = server.address();
  await drive(
    {
      protocol: 1,
      implementation: { name: "example-node-receiver", version: "1.0.0", language: "javascript" },
      commands: Object.keys(REQUIRED),
      features: ["callback", "results"],
      callback_urls: Object.fromEntries(PRODUCTS.map((name, n) => [name, `http://127.0.0.1:${port}${PATHS[n]}`])),
    },
    { invoke, result },
  );
  process.exit(0); // the server would keep it alive
});
