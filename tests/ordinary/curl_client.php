<?php
// A client on PHP's curl and a receiver on its built-in server, as a tutorial would write them, and the driver of both.

const PRODUCTS = ["sms", "airtime", "mpesa-online", "mpesa-wallet"];

// --- The client

function call(array $asked): mixed
{
    $curl = curl_init(); // for each call: a handle that is kept sends a POST again when its connection has died
    curl_setopt_array($curl, [
        CURLOPT_URL => "{$asked['base_url']}/{$asked['command']}",
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_USERPWD => "{$asked['consumer_key']}:{$asked['consumer_secret']}",
        CURLOPT_TIMEOUT_MS => (int) ($asked["timeout_s"] * 1000),
        CURLOPT_HTTPHEADER => ["Content-Type: application/json", "Accept: application/json"],
    ]);
    if ($asked["command"] !== "account-details") {
        curl_setopt($curl, CURLOPT_POSTFIELDS, json_encode($asked["params"]));
    }
    $body = curl_exec($curl);
    if ($body === false) {
        throw new RuntimeException(curl_error($curl));
    }
    return json_decode($body, true);
}

function invoke(array $asked): array
{
    try {
        $answer = call($asked);
    } catch (RuntimeException $error) {
        return ["outcome" => "error", "error" => "network", "description" => $error->getMessage()];
    }
    if (!is_array($answer) || !isset($answer["status_code"], $answer["request_id"])) {
        return ["outcome" => "error", "error" => "protocol", "description" => "the answer has no request_id"];
    }
    $told = [
        "status_code" => $answer["status_code"],
        "description" => $answer["description"] ?? null,
        "request_id" => $answer["request_id"],
    ];
    return $answer["status_code"] === 200
        ? ["outcome" => "accepted"] + $told
        : ["outcome" => "error", "error" => "http"] + $told;
}

// --- What the receiver has stored

function result(string $store, string $id): array
{
    $file = "$store/" . sha1($id);
    if (!is_file($file)) {
        return ["state" => "pending"];
    }
    [$code, $description] = json_decode(file_get_contents($file));
    $state = $code === "200" ? "succeeded" : "failed";
    return ["state" => $state, "result_code" => $code, "result_desc" => $description, "applied" => 1];
}

// --- The driver

$store = sys_get_temp_dir() . "/results-" . getmypid();
mkdir($store);
$probe = stream_socket_server("tcp://127.0.0.1:0");
$address = stream_socket_get_name($probe, false);
fclose($probe);
putenv("RESULTS=$store");
$server = proc_open([PHP_BINARY, "-q", "-S", $address, __DIR__ . "/hook.php"], [["file", "/dev/null", "r"], STDERR, ["file", "/dev/null", "w"]], $pipes);
while (!($up = @stream_socket_client("tcp://$address"))) {
    usleep(20000);
}
fclose($up);

while (($line = fgets(STDIN)) !== false) {
    $message = json_decode($line, true);
    if ($message["cmd"] === "stop") {
        break;
    }
    if ($message["cmd"] === "hello") {
        $answer = [
            "protocol" => 1,
            "implementation" => ["name" => "php-curl", "language" => "php"],
            "commands" => ["sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"],
            "features" => ["callback", "results"],
            "callback_urls" => array_combine(PRODUCTS, array_map(fn($product) => "http://$address/hooks/$product", PRODUCTS)),
        ];
    } elseif ($message["cmd"] === "invoke") {
        $answer = ["id" => $message["id"]] + invoke($message);
    } else {
        $answer = ["id" => $message["id"]] + result($store, $message["request_id"]);
    }
    echo json_encode($answer), "\n";
}
proc_terminate($server);
