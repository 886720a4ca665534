import RESTClientAgent
import TLS
import Testing

@Suite("Endpoint URLs and headers", .timeLimit(.minutes(1)))
struct EndpointURLTests {
    @Test(arguments: [
        ("https://historian.example/ingest", "historian.example", 443, true, "/ingest"),
        ("HTTPS://Historian.example", "Historian.example", 443, true, "/"),
        ("https://historian.example?key=1", "historian.example", 443, true, "/?key=1"),
        ("https://historian.example:8443/a/../b//c?x=@#", nil, 0, false, ""),
        ("https://historian.example:8443/a/../b//c?x=@", "historian.example", 8443, true, "/a/../b//c?x=@"),
        ("http://127.0.0.1:80/", "127.0.0.1", 80, false, "/"),
        ("http://[::1]:8080/in", "::1", 8080, false, "/in"),
        ("https://[2001:db8::1]", "2001:db8::1", 443, true, "/"),
        ("https://xn--bcher-kva.example/", "xn--bcher-kva.example", 443, true, "/"),
    ])
    func parsing(_ text: String, _ host: String?, _ port: Int, _ usesTLS: Bool, _ target: String) throws {
        guard let host else {
            #expect(throws: EndpointURLError.self) { try EndpointURL(parsing: text) }
            return
        }
        let url = try EndpointURL(parsing: text)
        #expect(url == EndpointURL(host: host, port: UInt16(port), usesTLS: usesTLS, target: target))
        // What libcurl is given means the same.
        #expect(try EndpointURL(parsing: url.absolute) == url)
    }

    @Test(arguments: [
        ("historian.example", EndpointURLError.noScheme), ("https:/historian.example", .noScheme), ("", .noScheme),
        ("ftp://historian.example", .scheme("ftp")), ("file:///etc/passwd", .scheme("file")),
        ("https://", .noHost), ("https:///ingest", .noHost), ("https://:443/", .noHost), ("https://[]/", .host("")),
        ("https://user:password@historian.example/", .credentialsInside),
        ("https://historian.example@evil.example/", .credentialsInside),
        ("https://historian.example#@evil.example/", .fragment), ("https://historian.example/#part", .fragment),
        ("https://historian.example\\@evil.example/", .character), ("https://historian.example/a b", .character),
        ("https://historian.example/\r\nX-A: b", .character), ("https://historian.example/\u{0}", .character),
        ("https://bücher.example/", .character), ("https://historian.example/ü", .character),
        ("https://historian%2eexample/", .host("historian%2eexample")), ("https://a,b/", .host("a,b")),
        ("https://historian.example:/", .port("")), ("https://historian.example:0/", .port("0")),
        ("https://historian.example:65536/", .port("65536")), ("https://historian.example:+1/", .port("+1")),
        ("https://[::1]443/", .port("443")), ("https://[::1%eth0]/", .host("::1%eth0")),
        ("https://historian.example/" + String(repeating: "a", count: 4096), .tooLong),
    ])
    func refused(_ text: String, _ error: EndpointURLError) {
        #expect(throws: error) { try EndpointURL(parsing: text) }
    }

    @Test func theQueryIsNotTold() throws {
        let url = try EndpointURL(parsing: "https://historian.example/ingest?api-key=secret")
        #expect("\(url)" == "https://historian.example/ingest?…")
        #expect(url.absolute == "https://historian.example/ingest?api-key=secret")
    }

    @Test(arguments: [
        ("X-Site", "press-shop", nil), ("User-Agent", "ours", nil), ("authorization", "Token abc", nil),
        ("", "a", EndpointHeaderError.name), ("X Site", "a", .name), ("X-Site:", "a", .name), ("X\r\nY", "a", .name),
        ("Ä", "a", .name), ("X-Site", "", .value), ("X-Site", " a", .value), ("X-Site", "a\r\nX-Evil: b", .value),
        ("X-Site", "a\u{0}b", .value), ("X-Site", "ä", .value), ("Content-Type", "text/plain", .mediaType),
        ("Sallyport-Sequence", "1", .identity), ("idempotency-key", "1", .identity), ("HOST", "evil", .ofTheProtocol),
        ("Content-Length", "0", .ofTheProtocol), ("Transfer-Encoding", "chunked", .ofTheProtocol),
        ("Connection", "close", .ofTheProtocol), ("Expect", "100-continue", .ofTheProtocol),
    ])
    func headers(_ name: String, _ value: String, _ error: EndpointHeaderError?) throws {
        if let error {
            #expect(throws: error) { try EndpointHeader(name: name, value: Secret(value), hasCredentials: false) }
        } else {
            let header = try EndpointHeader(name: name, value: Secret(value), hasCredentials: false)
            #expect(!"\(header)".contains(value))
        }
    }

    @Test func authorizationIsMadeOnce() {
        #expect(throws: EndpointHeaderError.authorization) {
            try EndpointHeader(name: "Authorization", value: Secret("Token abc"), hasCredentials: true)
        }
    }

    @Test(arguments: [
        ("Authorization", true), ("X-API-Key", true), ("cookie", true), ("X-Auth-Token", true), ("X-Site", false),
        ("X-Keyboard", false),
    ])
    func secretHeaders(_ name: String, _ isSecret: Bool) {
        #expect(EndpointHeader.isSecret(name) == isSecret)
    }
}
