// Posts as the JDK's HTTP client does: with an offer to upgrade to HTTP/2 on each plain connection.
// java Notify.java BODY URL...: twice with its length, then in chunks, then with Expect; one line a request, its status.

import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;

public class Notify {
    public static void main(String[] args) throws Exception {
        HttpClient client = HttpClient.newHttpClient();
        byte[] body = args[0].getBytes(StandardCharsets.UTF_8);
        for (int i = 1; i < args.length; i++) {
            URI uri = URI.create(args[i]);
            post(client, uri, BodyPublishers.ofByteArray(body), false);
            post(client, uri, BodyPublishers.ofByteArray(body), false);
            post(client, uri, BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body)), false);
            post(client, uri, BodyPublishers.ofByteArray(body), true);
        }
    }

    static void post(HttpClient client, URI uri, BodyPublisher body, boolean expect) throws Exception {
        HttpRequest request = HttpRequest.newBuilder(uri)
                .header("Content-Type", "application/json")
                .expectContinue(expect)
                .POST(body)
                .build();
        System.out.println(client.send(request, BodyHandlers.ofString()).statusCode());
    }
}
