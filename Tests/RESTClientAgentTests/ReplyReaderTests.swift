import Testing

@testable import Outbox
@testable import RESTClientAgent

/// What is taken of a reply, and what of a message's identity becomes a header.
@Suite("Replies and identities", .timeLimit(.minutes(1)))
struct ReplyReaderTests {
    private func read(_ lines: [String], body: [String] = []) -> ReplyReader {
        var reader = ReplyReader()
        for line in lines { _ = Array((line + "\r\n").utf8).withUnsafeBytes { reader.header($0) } }
        for piece in body { _ = Array(piece.utf8).withUnsafeBytes { reader.body($0) } }
        return reader
    }

    @Test func anAnswerCountsFromTheEndOfItsHeadersOn() {
        #expect(read(["HTTP/1.1 200 OK", "Date: now"]).decision == nil)
        #expect(read(["HTTP/1.1 200 OK", "Date: now", ""]).decision == EndpointReply(200, date: "now"))
        #expect(read(["HTTP/2 503 ", "retry-after:  7 ", ""]).decision == EndpointReply(503, retryAfter: "7"))
        #expect(read(["HTTP/1.1 100 Continue", ""]).decision == nil)
        #expect(read(["HTTP/1.1 103 Early", "Retry-After: 1", "", "HTTP/1.1 201", ""]).decision == EndpointReply(201))
        #expect(read(["HTTP/1.1 nonsense", ""]).decision == nil)
        #expect(read([""]).decision == nil)
        // Trailers come too late.
        #expect(read(["HTTP/1.1 200 OK", "", "HTTP/1.1 500", "Retry-After: 1", ""]).decision == EndpointReply(200))
    }

    @Test func whatAStrangerSaysFitsOnALine() {
        let reader = read(
            ["HTTP/1.1 302 Found", "Location: https://e.example/\u{1B}[31mx?token=secret", ""],
            body: ["  no\r\n\u{0}\u{1B}[2J \u{202E}such", " thing ", String(repeating: "y", count: 600)])
        #expect(reader.decision?.location == "https://e.example/ [31mx")
        #expect(reader.decision?.text.hasPrefix("no [2J such thing y") == true)
        #expect(reader.decision?.text.utf8.count ?? 0 <= ReplyReader.mostText)
        var broken = read(["HTTP/1.1 400 Bad", ""])
        _ = [0xFF, 0x41, 0xC3].withUnsafeBytes { broken.body($0) }
        #expect(broken.decision?.text.contains("A") == true)
    }

    @Test func nothingGrows() {
        var reader = ReplyReader()
        let line = Array(("X-More: " + String(repeating: "x", count: 1000) + "\r\n").utf8)
        var count = 0
        while line.withUnsafeBytes({ reader.header($0) }) { count += 1 }
        #expect(count == ReplyReader.mostHeaders / line.count && reader.isTooLong && reader.decision == nil)
        var body = read(["HTTP/1.1 200 OK", ""])
        count = 0
        while line.withUnsafeBytes({ body.body($0) }) { count += 1 }
        #expect(count == ReplyReader.mostBody / line.count && body.isTooLong && body.decision?.status == 200)
    }

    @Test func identitiesAreASCII() {
        let identity = DeliveryIdentity(
            gateway: "Halle 6 %", agent: "öl\u{7}", epoch: "0af3", sequence: 42, offset: 7, events: 3, gap: 40...41)
        let fields = IdentityHeaders.fields(identity)
        #expect(
            fields.map { "\($0.name): \($0.value)" } == [
                "sallyport-gateway: Halle 6 %25", "sallyport-agent: %C3%B6l%07", "sallyport-epoch: 0af3",
                "sallyport-sequence: 42", "sallyport-offset: 7", "sallyport-events: 3", "sallyport-gap: 40-41",
                "Idempotency-Key: 0af3-%C3%B6l%07-42-7",
            ])
    }

    @Test func anEpisodeIsToldOnceAndAtMostALineASecond() {
        let begin = ContinuousClock.now
        var log = EpisodeLog()
        let told = [
            log.failed(1, at: begin), log.failed(2, at: begin + .seconds(2)), log.failed(10, at: begin + .seconds(9)),
            log.ended(at: begin + .milliseconds(9500)), log.ended(at: begin + .seconds(10)),
            log.ended(at: begin + .seconds(20)),
        ]
        #expect(told == [true, false, true, false, true, false])
        // An endpoint that flickers.
        var lines = 0
        for tick in 0..<100 {
            let now = begin + .seconds(30) + .milliseconds(tick * 50)
            if tick.isMultiple(of: 2) ? log.failed(1, at: now) : log.ended(at: now) { lines += 1 }
        }
        #expect(lines <= 5 && lines >= 2)
    }
}
