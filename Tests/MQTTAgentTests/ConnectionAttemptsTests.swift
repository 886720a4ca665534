import MQTTAgent
import Testing

@Suite("Connection attempts", .timeLimit(.minutes(1)))
struct ConnectionAttemptsTests {
    private let start = ContinuousClock().now

    private func wait(_ attempts: ConnectionAttempts, from now: ContinuousClock.Instant) -> Duration {
        now.duration(to: attempts.nextAttempt)
    }

    @Test("wait longer each time, up to four seconds, with jitter that only shortens")
    func backoff() {
        var attempts = ConnectionAttempts(choice: .auto, now: start)
        var waits: [Duration] = []
        for _ in 0..<7 {
            attempts.lost(BrokerLoss(.network, "x"), at: start, jitter: 1)
            waits.append(wait(attempts, from: start))
        }
        #expect(waits == [250, 500, 1000, 2000, 4000, 4000, 4000].map { .milliseconds($0) })
        attempts.lost(BrokerLoss(.network, "x"), at: start, jitter: 0)
        #expect(wait(attempts, from: start) == .seconds(2))
    }

    @Test("a refusal that only people can mend is not tried in a hurry")
    func refusal() {
        for kind in [BrokerLoss.Kind.credentials, .takenOver] {
            var attempts = ConnectionAttempts(choice: .auto, now: start)
            attempts.lost(BrokerLoss(kind, "x"), at: start, jitter: 1)
            #expect(wait(attempts, from: start) == .seconds(30))
        }
    }

    @Test("a connection that held begins again with short waits, one that did not goes on with long ones")
    func stability() {
        var attempts = ConnectionAttempts(choice: .auto, now: start)
        for _ in 0..<6 { attempts.lost(BrokerLoss(.network, "x"), at: start, jitter: 1) }
        attempts.connected(at: start)
        attempts.lost(BrokerLoss(.network, "x"), at: start.advanced(by: .seconds(1)), jitter: 1)
        #expect(wait(attempts, from: start) == .seconds(5))
        attempts.connected(at: start)
        attempts.lost(BrokerLoss(.network, "x"), at: start.advanced(by: .seconds(60)), jitter: 1)
        #expect(wait(attempts, from: start) == .seconds(60) + .milliseconds(250))
    }

    @Test("connections that end again and again soon after CONNACK are not tried in a hurry")
    func thrownOut() {
        var attempts = ConnectionAttempts(choice: .auto, now: start)
        for _ in 0..<4 {
            attempts.connected(at: start)
            attempts.lost(BrokerLoss(.network, "x"), at: start.advanced(by: .seconds(1)), jitter: 1)
            #expect(!attempts.isThrownOut)
        }
        attempts.connected(at: start)
        attempts.lost(BrokerLoss(.network, "x"), at: start, jitter: 1)
        #expect(attempts.isThrownOut)
        #expect(wait(attempts, from: start) == .seconds(30))
        attempts.connected(at: start)
        attempts.lost(BrokerLoss(.network, "x"), at: start.advanced(by: .seconds(20)), jitter: 1)
        #expect(!attempts.isThrownOut)
    }

    @Test("5 is tried first, 3.1.1 at once where the broker refuses it, and never where 5 is chosen")
    func versions() {
        var attempts = ConnectionAttempts(choice: .auto, now: start)
        #expect(attempts.version == .v5)
        attempts.lost(BrokerLoss(.protocolVersion, "x"), at: start, jitter: 1)
        #expect(attempts.version == .v3_1_1)
        #expect(attempts.nextAttempt == start)
        attempts.connected(at: start)
        attempts.lost(BrokerLoss(.network, "x"), at: start, jitter: 1)
        #expect(attempts.version == .v5)

        attempts = ConnectionAttempts(choice: .v5, now: start)
        attempts.lost(BrokerLoss(.protocolVersion, "x"), at: start, jitter: 1)
        #expect(attempts.version == .v5)
        #expect(wait(attempts, from: start) == .seconds(30))
    }
}

@Suite("Broker URLs", .timeLimit(.minutes(1)))
struct BrokerURLTests {
    @Test(
        "name host, port and whether TLS is used",
        arguments: [
            ("ssl://broker.example:8883", BrokerURL(host: "broker.example", port: 8883, usesTLS: true)),
            ("SSL://broker.example", BrokerURL(host: "broker.example", port: 8883, usesTLS: true)),
            ("mqtts://10.0.0.1:1", BrokerURL(host: "10.0.0.1", port: 1, usesTLS: true)),
            ("tcp://localhost", BrokerURL(host: "localhost", port: 1883, usesTLS: false)),
            ("mqtt://[::1]:1884/", BrokerURL(host: "::1", port: 1884, usesTLS: false)),
            ("ssl://[fe80::1]", BrokerURL(host: "fe80::1", port: 8883, usesTLS: true)),
        ])
    func parsed(text: String, expected: BrokerURL) throws {
        #expect(try BrokerURL(parsing: text) == expected)
    }

    @Test(
        "are refused with a sentence",
        arguments: [
            ("broker.example", BrokerURLError.noScheme), ("http://x", .scheme("http")),
            ("wss://x", .webSocket("wss")), ("ssl://", .noHost), ("ssl://:8883", .noHost),
            ("ssl://x:0", .port("0")), ("ssl://x:70000", .port("70000")), ("ssl://x:", .port("")),
            ("ssl://user:secret@x", .credentialsInside), ("ssl://x/topic", .trailing), ("ssl://x y", .trailing),
            ("ssl://[::1", .noHost), ("", .noScheme),
        ])
    func refused(text: String, error: BrokerURLError) {
        #expect(throws: error) { try BrokerURL(parsing: text) }
    }
}
