#!/bin/sh
# A client on curl, as a script would have it, and its driver.
set -eu
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

while IFS= read -r line; do
  field() { printf '%s' "$line" | jq -c -r "$1"; }
  case $(field .cmd) in
    stop) exit 0 ;;
    hello)
      jq -cn '{protocol: 1, implementation: {name: "curl", language: "shell"}, features: [],
        commands: ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"]}'
      continue ;;
  esac
  set -- --silent --show-error --max-time "$(field .timeout_s)" --user "$(field .consumer_key):$(field .consumer_secret)"
  if [ "$(field .command)" != account-details ]; then
    set -- "$@" --header 'Content-Type: application/json' --data "$(field .params)"
  fi
  : >"$answer" # curl leaves the file alone where the body is empty
  if error=$(curl "$@" --output "$answer" "$(field .base_url)/$(field .command)" 2>&1); then
    jq -c --argjson asked "$line" '
      if type == "object" and (.request_id | type) == "string"
      then {id: $asked.id, status_code, description, request_id}
        + if .status_code == 200 then {outcome: "accepted"} else {outcome: "error", error: "http"} end
      else error("no request_id") end' "$answer" 2>/dev/null | grep . ||
      jq -cn --argjson asked "$line" '{id: $asked.id, outcome: "error", error: "protocol", description: "no JSON object with a request_id"}'
  else
    jq -cn --argjson asked "$line" --arg error "$error" '{id: $asked.id, outcome: "error", error: "network", description: $error}'
  fi
done
