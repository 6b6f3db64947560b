#!/bin/sh
# A client on curl, as a script would have it, and its driver.
set -eu
answer=$(mktemp)
trap 'rm -f "$answer"' EXIT

# The members of a message as variables of the shell.
members='@sh "cmd=\(.cmd) id=\(.id) command=\(.command) url=\("\(.base_url)/\(.command)") timeout_s=\(.timeout_s)",
  @sh "credential=\("\(.consumer_key):\(.consumer_secret)") params=\(.params | tojson)"'

# The driver's answer, made of the gateway's.
told='if type == "object" and (.request_id | type) == "string"
  then {id: $id, status_code, description, request_id}
    + if .status_code == 200 then {outcome: "accepted"} else {outcome: "error", error: "http"} end
  else error("the answer has no request_id") end'

while IFS= read -r line; do
  eval "$(printf '%s' "$line" | jq -r "$members")"
  case $cmd in
    stop) exit 0 ;;
    hello)
      jq -cn '{protocol: 1, implementation: {name: "curl", language: "shell"}, features: [],
        commands: ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"]}'
      continue ;;
  esac
  set -- --silent --show-error --max-time "$timeout_s" --user "$credential"
  if [ "$command" != account-details ]; then
    set -- "$@" --header 'Content-Type: application/json' --data "$params"
  fi
  : >"$answer" # curl leaves the file alone where the body is empty
  if error=$(curl "$@" --output "$answer" "$url" 2>&1); then
    jq -c --arg id "$id" "$told" "$answer" 2>/dev/null | grep . ||
      jq -cn --arg id "$id" '{$id, outcome: "error", error: "protocol", description: "the answer has no request_id"}'
  else
    jq -cn --arg id "$id" --arg error "$error" '{$id, outcome: "error", error: "network", description: $error}'
  fi
done
