<?php
// The receiver of curl_client.php: keeps the first result of each request in a file of its own.

if ($_SERVER["REQUEST_METHOD"] !== "POST") {
    http_response_code(405);
    return;
}
$note = json_decode(file_get_contents("php://input"), true);
foreach (["request_id", "result_code", "result_desc"] as $name) {
    if (!is_array($note) || !is_string($note[$name] ?? null)) {
        http_response_code(400);
        return;
    }
}
$file = @fopen(getenv("RESULTS") . "/" . sha1($note["request_id"]), "x"); // fails where there is one
if ($file) {
    fwrite($file, json_encode([$note["result_code"], $note["result_desc"]]));
    fclose($file);
}
http_response_code(200);
