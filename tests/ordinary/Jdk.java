// A client on the JDK's HttpClient and a receiver on its HttpServer, as a tutorial would write them, and the driver of
// both. The JDK reads no JSON; Json below stands for Jackson or Gson.

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;

public class Jdk {
    static final List<String> PRODUCTS = List.of("sms", "airtime", "mpesa-online", "mpesa-wallet");

    // --- The client

    static final HttpClient http = HttpClient.newHttpClient();

    static HttpResponse<String> call(Map<String, Object> asked) throws IOException, InterruptedException {
        String credential = asked.get("consumer_key") + ":" + asked.get("consumer_secret");
        String encoded = Base64.getEncoder().encodeToString(credential.getBytes(StandardCharsets.UTF_8));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(asked.get("base_url") + "/" + asked.get("command")))
                .timeout(Duration.ofMillis((long) (((Number) asked.get("timeout_s")).doubleValue() * 1000)))
                .header("Authorization", "Basic " + encoded);
        if (!asked.get("command").equals("account-details")) {
            request.header("Content-Type", "application/json")
                    .POST(HttpRequest.BodyPublishers.ofString(Json.write(asked.get("params"))));
        }
        return http.send(request.build(), HttpResponse.BodyHandlers.ofString());
    }

    static Map<String, Object> invoke(Map<String, Object> asked) throws InterruptedException {
        HttpResponse<String> response;
        try {
            response = call(asked);
        } catch (IOException error) {
            return error("network", error.toString());
        }
        Object answer;
        try {
            answer = Json.read(response.body());
        } catch (RuntimeException error) {
            return error("protocol", error.toString());
        }
        if (!(answer instanceof Map<?, ?> members) || !(members.get("request_id") instanceof String)) {
            return error("protocol", "the answer has no request_id");
        }
        boolean accepted = members.get("status_code") instanceof Number code && code.intValue() == 200;
        Map<String, Object> told = accepted ? new LinkedHashMap<>() : error("http", null);
        told.putIfAbsent("outcome", "accepted");
        for (String name : List.of("status_code", "description", "request_id")) {
            told.put(name, members.get(name));
        }
        return told;
    }

    static Map<String, Object> error(String kind, String description) {
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("outcome", "error");
        told.put("error", kind);
        told.put("description", description);
        return told;
    }

    // --- The receiver

    static final Map<String, Map<?, ?>> results = new ConcurrentHashMap<>();

    static void hook(HttpExchange exchange) throws IOException {
        String body = new String(exchange.getRequestBody().readAllBytes(), StandardCharsets.UTF_8);
        int status = 405;
        if (exchange.getRequestMethod().equals("POST")) {
            status = 400;
            try {
                Map<?, ?> note = (Map<?, ?>) Json.read(body);
                String id = (String) note.get("request_id");
                if (id != null && note.get("result_code") instanceof String && note.get("result_desc") instanceof String) {
                    results.putIfAbsent(id, note);
                    status = 200;
                }
            } catch (RuntimeException error) {
                status = 400;
            }
        }
        exchange.sendResponseHeaders(status, -1);
        exchange.close();
    }

    static Map<String, Object> result(String id) {
        Map<?, ?> note = results.get(id);
        Map<String, Object> told = new LinkedHashMap<>();
        if (note == null) {
            told.put("state", "pending");
            return told;
        }
        told.put("state", note.get("result_code").equals("200") ? "succeeded" : "failed");
        told.put("result_code", note.get("result_code"));
        told.put("result_desc", note.get("result_desc"));
        told.put("applied", 1);
        return told;
    }

    // --- The driver

    @SuppressWarnings("unchecked")
    public static void main(String[] arguments) throws Exception {
        HttpServer server = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
        server.setExecutor(Executors.newCachedThreadPool());
        server.createContext("/hooks/", Jdk::hook);
        server.start();
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            Map<String, Object> message = (Map<String, Object>) Json.read(line);
            Map<String, Object> answer;
            if (message.get("cmd").equals("stop")) {
                break;
            } else if (message.get("cmd").equals("hello")) {
                answer = hello(server.getAddress().getPort());
            } else if (message.get("cmd").equals("invoke")) {
                answer = invoke(message);
            } else {
                answer = result((String) message.get("request_id"));
            }
            answer.put("id", message.get("id"));
            System.out.println(Json.write(answer));
        }
        System.exit(0);
    }

    static Map<String, Object> hello(int port) {
        Map<String, Object> urls = new LinkedHashMap<>();
        PRODUCTS.forEach(product -> urls.put(product, "http://127.0.0.1:" + port + "/hooks/" + product + "?token=jdk"));
        Map<String, Object> told = new LinkedHashMap<>();
        told.put("protocol", 1);
        told.put("implementation", Map.of("name", "java.net.http", "language", "java"));
        told.put("commands", List.of("sms", "airtime", "mpesa/online", "mpesa-wallet", "account-details"));
        told.put("features", List.of("callback", "results"));
        told.put("callback_urls", urls);
        return told;
    }

    /** As much of a JSON library as is needed here. */
    static final class Json {
        private final String text;
        private int at;

        private Json(String text) {
            this.text = text;
        }

        static Object read(String text) {
            Json json = new Json(text);
            Object value = json.value();
            json.blanks();
            if (json.at < text.length()) throw new IllegalArgumentException("more text behind the value");
            return value;
        }

        private char next() {
            if (at >= text.length()) throw new IllegalArgumentException("the text ends too early");
            return text.charAt(at++);
        }

        private void blanks() {
            while (at < text.length() && " \t\r\n".indexOf(text.charAt(at)) >= 0) at++;
        }

        private boolean take(char expected) {
            blanks();
            if (at < text.length() && text.charAt(at) == expected) {
                at++;
                return true;
            }
            return false;
        }

        private void expect(char expected) {
            if (!take(expected)) throw new IllegalArgumentException("expected " + expected + " at " + at);
        }

        private Object value() {
            blanks();
            if (take('{')) return object();
            if (take('[')) return array();
            if (take('"')) return string();
            int from = at;
            while (at < text.length() && ",]} \t\r\n".indexOf(text.charAt(at)) < 0) at++;
            String word = text.substring(from, at);
            return switch (word) {
                case "null" -> null;
                case "true" -> true;
                case "false" -> false;
                default -> number(word);
            };
        }

        private static Number number(String word) {
            if (!word.matches("-?(0|[1-9][0-9]*)(\\.[0-9]+)?([eE][-+]?[0-9]+)?")) {
                throw new IllegalArgumentException("no value: " + word);
            }
            if (word.matches("-?[0-9]{1,9}")) return Integer.valueOf(word);
            return Double.valueOf(word);
        }

        private Map<String, Object> object() {
            Map<String, Object> members = new LinkedHashMap<>();
            if (take('}')) return members;
            do {
                expect('"');
                String name = string();
                expect(':');
                members.put(name, value());
            } while (take(','));
            expect('}');
            return members;
        }

        private List<Object> array() {
            List<Object> items = new ArrayList<>();
            if (take(']')) return items;
            do items.add(value()); while (take(','));
            expect(']');
            return items;
        }

        private String string() {
            StringBuilder read = new StringBuilder();
            for (char c = next(); c != '"'; c = next()) {
                if (c < ' ') throw new IllegalArgumentException("a control character in a string");
                read.append(c == '\\' ? escaped() : c);
            }
            return read.toString();
        }

        private char escaped() {
            char c = next();
            int place = "\"\\/bfnrt".indexOf(c);
            if (place >= 0) return "\"\\/\b\f\n\r\t".charAt(place);
            if (c != 'u' || at + 4 > text.length()) throw new IllegalArgumentException("an unknown escape");
            at += 4;
            return (char) Integer.parseInt(text.substring(at - 4, at), 16);
        }

        static String write(Object value) {
            if (value instanceof Map<?, ?> members) {
                List<String> written = new ArrayList<>();
                members.forEach((name, each) -> written.add(write(name) + ":" + write(each)));
                return "{" + String.join(",", written) + "}";
            }
            if (value instanceof List<?> items) {
                return "[" + String.join(",", items.stream().map(Json::write).toList()) + "]";
            }
            return value instanceof String string ? quoted(string) : String.valueOf(value);
        }

        private static String quoted(String string) {
            StringBuilder written = new StringBuilder("\"");
            for (char c : string.toCharArray()) {
                if (c == '"' || c == '\\') written.append('\\').append(c);
                else if (c < ' ' || Character.isSurrogate(c) || c > 126) written.append(String.format("\\u%04x", (int) c));
                else written.append(c);
            }
            return written.append('"').toString();
        }
    }
}
