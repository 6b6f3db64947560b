// A client on Node's fetch and its driver: statum-conformance certify --driver 'node examples/drivers/node_fetch.mjs'
//
// `call` and `understood` are the client, as an SDK would have it; the rest translates to and from the driver protocol.

import { pathToFileURL } from "node:url";

export const REQUIRED = {
  sms: ["phone_number", "sender_id", "message"],
  airtime: ["phone_number", "amount"],
  "mpesa/online": ["short_code", "phone_number", "amount"],
  "mpesa-wallet": ["short_code", "phone_number", "amount"],
  "account-details": [],
};

class Refused extends Error {}
class Unusable extends Error {}

// The answer to one request. Sends once: whether to send again is for the caller to decide, who knows what it costs.
async function call({ command, params, base_url, consumer_key, consumer_secret, timeout_s }) {
  if (!REQUIRED[command].every((name) => params[name])) throw new Refused(`${command} needs ${REQUIRED[command]}`);
  const credential = Buffer.from(`${consumer_key}:${consumer_secret}`).toString("base64");
  const headers = { Authorization: `Basic ${credential}`, Accept: "application/json" };
  const json = { ...headers, "Content-Type": "application/json" };
  const posted = REQUIRED[command].length > 0 && { method: "POST", headers: json, body: JSON.stringify(params) };
  const response = await fetch(`${base_url}/${command}`, {
    headers,
    redirect: "manual", // so that the credential goes nowhere else
    signal: AbortSignal.timeout(timeout_s * 1000), // for the body, too
    ...posted,
  });
  return understood(response.status, response.headers.get("Content-Type") ?? "", await response.arrayBuffer());
}

// What an answer says. Throws Unusable if it is none that a gateway gives.
function understood(status, type, body) {
  let answer = null;
  try {
    if (type.split(";")[0].trim().toLowerCase() === "application/json")
      answer = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {} // told below
  if (answer?.status_code !== status || (status === 200 && typeof answer.request_id !== "string"))
    throw new Unusable(`HTTP ${status}, with a body that is no answer of the gateway`);
  const { status_code, description, request_id } = answer;
  return { status_code, description, request_id };
}

// What became of a call, in the words of the driver protocol.
export async function invoke({ id, cmd, ...asked }) {
  if (!Object.hasOwn(REQUIRED, asked.command)) return { unsupported: true };
  try {
    const said = await call(asked);
    return said.status_code === 200 ? { outcome: "accepted", ...said } : { outcome: "error", error: "http", ...said };
  } catch (failure) {
    const kinds = { Refused: "rejected-locally", Unusable: "protocol" };
    const error = kinds[failure.constructor.name] ?? "network";
    return { outcome: "error", error, description: String(failure.cause ?? failure) };
  }
}

// Answers each line on standard input with one on standard output, until told to stop. Not with Node's readline, which
// would take U+2028 inside a message for the end of a line.
export async function drive(hello, commands) {
  let rest = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const message of lines.map((line) => JSON.parse(line))) {
      if (message.cmd === "stop") return;
      const answer = message.cmd === "hello" ? hello : { id: message.id, ...(await commands[message.cmd](message)) };
      process.stdout.write(`${JSON.stringify(answer)}\n`);
    }
  }
}

const implementation = { name: "example-fetch", version: "1.0.0", language: "javascript" };
if (import.meta.url === pathToFileURL(process.argv[1]).href)
  await drive({ protocol: 1, implementation, commands: Object.keys(REQUIRED), features: [] }, { invoke });
