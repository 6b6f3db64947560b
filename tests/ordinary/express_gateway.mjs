// A gateway on Express, as a tutorial would write it: express_gateway.mjs PORT CALLBACK_BASE_URL.

import { randomUUID } from "node:crypto";
import { createRequire } from "node:module";

const express = createRequire(process.env.EXPRESS_FROM)("express");
const [port, callbacks] = process.argv.slice(2);
const CREDENTIAL = "Basic " + Buffer.from("key:secret").toString("base64");
const PHONE = /^\+?254[17]\d{8}$/;
const SHILLINGS = /^[1-9]\d{0,4}$/;
const PAYMENT = { short_code: /^174379$/, phone_number: PHONE, amount: SHILLINGS };
const RULES = {
  sms: { phone_number: PHONE, sender_id: /^Statum$/, message: /^[^]+$/ },
  airtime: { phone_number: PHONE, amount: SHILLINGS },
  "mpesa/online": PAYMENT,
  "mpesa-wallet": PAYMENT,
};

const recent = new Map();

function answer(response, status, description, members = {}) {
  const envelope = { status_code: status, description, request_id: randomUUID(), ...members };
  response.status(status).json(envelope);
  return envelope.request_id;
}

async function notify(product, request_id) {
  const note = { result_code: "200", result_desc: "Success", request_id };
  const headers = { "Content-Type": "application/json" };
  const response = await fetch(`${callbacks}/${product}`, { method: "POST", headers, body: JSON.stringify(note) });
  await response.text();
}

const app = express();
app.use((request, response, next) => {
  if (request.headers.authorization === CREDENTIAL) return next();
  response.set("WWW-Authenticate", "Basic");
  answer(response, 401, "Authentication failed");
});
app.use(express.json());

for (const [command, rules] of Object.entries(RULES)) {
  app.post(`/api/v2/${command}`, (request, response) => {
    const payload = request.body ?? {};
    const validation_errors = {};
    for (const [name, rule] of Object.entries(rules)) {
      if (typeof payload[name] !== "string" || !rule.test(payload[name])) validation_errors[name] = [`${name} is invalid`];
    }
    if (command === "airtime" && !(payload.amount >= 5 && payload.amount <= 10000)) validation_errors.amount = ["5 to 10000"];
    if (!["undefined", "string"].includes(typeof payload.bill_ref_number)) validation_errors.bill_ref_number = ["not a string"];
    if (Object.keys(validation_errors).length) return answer(response, 422, "Validation failed", { validation_errors });
    if (command === "airtime") {
      const key = `${payload.phone_number.replace("+", "")}/${payload.amount}`;
      if (Date.now() - (recent.get(key) ?? -Infinity) < 300_000) return answer(response, 400, "Similar request within five minutes");
      recent.set(key, Date.now());
    }
    notify(command.replace("/", "-"), answer(response, 200, "Operation successful"));
  });
  app.all(`/api/v2/${command}`, (request, response) => answer(response, 405, "Method not allowed"));
}

app.get("/api/v2/account-details", (request, response) => {
  const details = {
    available_balance: 1000.5,
    location: "Nairobi",
    website: "https://example.com",
    office_email: "office@example.com",
    office_mobile: "254712345678",
    mpesa_account_top_up_code: "TOP01",
  };
  const accounts = [{ account: "Statum", service_name: "SMS" }];
  answer(response, 200, "Operation successful", { organization: { name: "Ordinary Ltd", details, accounts } });
});
app.all("/api/v2/account-details", (request, response) => answer(response, 405, "Method not allowed"));
app.use((request, response) => answer(response, 404, "Unknown command"));
app.use((error, request, response, next) => answer(response, error.status ?? 500, error.message));

app.listen(Number(port), "127.0.0.1");
