<?php
// Posts as PHP does: a stream over HTTP/1.0 and over 1.1, libcurl with an offer to upgrade to HTTP/2, and in chunks.
// php notify.php BODY URL...: one line a request, its status.

[, $body] = $argv;

function streamed(string $url, string $body, float $version): void
{
    $options = [
        'method' => 'POST',
        'header' => "Content-Type: application/json\r\nConnection: close",
        'content' => $body,
        'protocol_version' => $version,
        'ignore_errors' => true,
    ];
    file_get_contents($url, false, stream_context_create(['http' => $options]));
    echo explode(' ', $http_response_header[0])[1], "\n";
}

function curled(CurlHandle $handle, string $url, array $options): void
{
    curl_reset($handle);
    curl_setopt_array($handle, $options + [
        CURLOPT_URL => $url,
        CURLOPT_POST => true,
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_PROXY => '',
    ]);
    if (curl_exec($handle) === false) {
        fwrite(STDERR, curl_error($handle));
        exit(1);
    }
    echo curl_getinfo($handle, CURLINFO_RESPONSE_CODE), "\n";
}

$handle = curl_init();
foreach (array_slice($argv, 2) as $url) {
    streamed($url, $body, 1.0);
    streamed($url, $body, 1.1);
    curled($handle, $url, [
        CURLOPT_HTTP_VERSION => CURL_HTTP_VERSION_2_0,
        CURLOPT_HTTPHEADER => ['Content-Type: application/json'],
        CURLOPT_POSTFIELDS => $body,
    ]);
    $rest = $body;
    curled($handle, $url, [
        CURLOPT_HTTPHEADER => ['Content-Type: application/json', 'Transfer-Encoding: chunked'],
        CURLOPT_READFUNCTION => function ($handle, $file, int $most) use (&$rest): string {
            $piece = substr($rest, 0, $most);
            $rest = substr($rest, strlen($piece));
            return $piece;
        },
    ]);
}
