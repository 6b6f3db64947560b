#!/bin/sh
# A client on curl and its driver: statum-conformance certify --driver 'sh examples/drivers/curl.sh'
#
# `call` and `understood` are the client, the rest translates to and from the driver protocol.
set -eu

for tool in curl jq; do
  command -v "$tool" >/dev/null || { echo "curl.sh: $tool is needed and not there (hint: install it)" >&2; exit 1; }
done
directory=$(mktemp -d)
trap 'rm -rf "$directory"' EXIT

required='{
  "sms": ["phone_number", "sender_id", "message"],
  "airtime": ["phone_number", "amount"],
  "mpesa/online": ["short_code", "phone_number", "amount"],
  "mpesa-wallet": ["short_code", "phone_number", "amount"],
  "account-details": []
}'

# Leaves the answer in $directory/answer and prints its status and media type; fails if none came. Sends once: curl
# neither repeats nor follows redirects by itself, and --disable keeps a ~/.curlrc from making it. The credential goes
# in through a pipe, for anybody can read the arguments of a process.
call() {
  [ "$method" = GET ] || set -- --header 'Content-Type: application/json' --data-binary "$params"
  printf 'Authorization: Basic %s\n' "$credential" |
    curl --disable --silent --show-error --globoff --max-time "$timeout_s" --output "$directory/answer" \
      --write-out '%{http_code} %{content_type}' --header @- --header 'Accept: application/json' "$@" "$url"
}

# What the answer says, in the words of the driver protocol.
understood='
  (try ($content | fromjson) catch null) as $answer
  | ($heading | split(" ")[0] | tonumber) as $status
  | if ($heading | test("^\\d+ application/json *(;|$)"; "i") | not) or ($answer | type) != "object"
      or $answer.status_code != $status or ($status == 200 and ($answer.request_id | type) != "string")
    then {$id, outcome: "error", error: "protocol", description: "HTTP \($heading): no answer of the gateway"}
    else {$id} + (if $status == 200 then {outcome: "accepted"} else {outcome: "error", error: "http"} end)
      + ($answer | with_entries(select(.key | IN("status_code", "description", "request_id"))))
    end'

# What the suite asks for, as variables of the shell: a line for each message.
fields='
  label $stop | inputs | if .cmd == "stop" then break $stop else . end
  | .params as $params | $required[.command // ""] as $names
  | @sh "cmd=\(.cmd) id=\(.id) timeout_s=\(.timeout_s) params=\($params | tojson)" +
    @sh " url=\("\(.base_url)/\(.command)") credential=\("\(.consumer_key):\(.consumer_secret)" | @base64)" +
    @sh " method=\(if $names == [] then "GET" else "POST" end) known=\($names != null)" +
    @sh " missing=\([$names[]? | select(($params[.] // "") == "")] | join(" and "))"'

invoke() {
  if [ "$known" = false ]; then
    jq -cn --arg id "$id" '{$id, unsupported: true}'
  elif [ -n "$missing" ]; then
    jq -cn --arg id "$id" --arg description "needs $missing" \
      '{$id, outcome: "error", error: "rejected-locally", $description}'
  elif heading=$(call 2>"$directory/complaint"); then
    jq -cn --arg id "$id" --arg heading "$heading" --rawfile content "$directory/answer" "$understood"
  else
    jq -cn --arg id "$id" --rawfile description "$directory/complaint" \
      '{$id, outcome: "error", error: "network", $description}'
  fi
}

jq --unbuffered -nr --argjson required "$required" "$fields" | while IFS= read -r variables; do
  eval "$variables"
  if [ "$cmd" = hello ]; then
    jq -cn --argjson required "$required" '{protocol: 1, features: [], commands: ($required | keys),
      implementation: {name: "example-curl", version: "1.0.0", language: "shell"}}'
  else
    invoke
  fi
done
