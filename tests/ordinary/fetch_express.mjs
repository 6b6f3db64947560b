// A client on fetch and its receiver on Express, as a tutorial would write them, and the driver of both.

import { createInterface } from "node:readline";
import { createRequire } from "node:module";

const express = createRequire(process.env.EXPRESS_FROM)("express");
const PRODUCTS = ["sms", "airtime", "mpesa-online", "mpesa-wallet"];

// --- The client

async function call({ command, params, base_url, consumer_key, consumer_secret, timeout_s }) {
  const headers = { Authorization: "Basic " + Buffer.from(`${consumer_key}:${consumer_secret}`).toString("base64") };
  const options = { headers, signal: AbortSignal.timeout(timeout_s * 1000) };
  if (command !== "account-details") {
    options.method = "POST";
    options.body = JSON.stringify(params);
    headers["Content-Type"] = "application/json";
  }
  const response = await fetch(`${base_url}/${command}`, options);
  return response.json();
}

// --- The receiver

const results = new Map();
const app = express();
app.use(express.json());
app.post("/hooks/:product", (request, response) => {
  const { request_id, result_code, result_desc } = request.body ?? {};
  if (![request_id, result_code, result_desc].every((value) => typeof value === "string")) {
    return response.sendStatus(400);
  }
  if (!results.has(request_id)) results.set(request_id, { result_code, result_desc });
  response.sendStatus(200);
});
app.use((error, request, response, next) => response.sendStatus(error.status ?? 500)); // without a stack on the screen

// --- The driver

async function invoke(message) {
  let answer;
  try {
    answer = await call(message);
  } catch (error) {
    const kind = error instanceof SyntaxError ? "protocol" : "network";
    return { outcome: "error", error: kind, description: String(error.cause ?? error) };
  }
  const { status_code, description, request_id } = answer ?? {};
  if (typeof request_id !== "string") return { outcome: "error", error: "protocol", description: JSON.stringify(answer) };
  const told = { status_code, description, request_id };
  return status_code === 200 ? { outcome: "accepted", ...told } : { outcome: "error", error: "http", ...told };
}

function result({ request_id }) {
  const told = results.get(request_id);
  if (!told) return { state: "pending" };
  return { state: told.result_code === "200" ? "succeeded" : "failed", ...told, applied: 1 };
}

const server = app.listen(0, "127.0.0.1", async () => {
  const { port } = server.address();
  for await (const line of createInterface({ input: process.stdin })) {
    const { cmd, ...message } = JSON.parse(line);
    if (cmd === "stop") process.exit(0);
    const hello = {
      protocol: 1,
      implementation: { name: "fetch-express", language: "javascript" },
      commands: ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"],
      features: ["callback", "results"],
      callback_urls: Object.fromEntries(PRODUCTS.map((name) => [name, `http://127.0.0.1:${port}/hooks/${name}`])),
    };
    const answer = cmd === "hello" ? hello : cmd === "invoke" ? await invoke(message) : result(message);
    console.log(JSON.stringify({ id: message.id, ...answer }));
  }
});
