import FoundationEssentials
import GatewayConfiguration
import Logging
import NIOPosix
import Outbox
import SecurityPolicy
import Synchronization
import TLS
import TestPeers
import Testing

@testable import Gateway

@Suite("Watching certificate files", .timeLimit(.minutes(2)))
struct CertificateWatchTests {
    @Test("files count as changed when they have come to rest, or after five seconds")
    func watch() throws {
        let folder = try TemporaryDirectory()
        var watch = FileWatch()
        var now = ContinuousClock.now
        func state(_ text: String) throws -> [String: FileState] {
            let path = try folder.write(text, to: "a")
            return ["a": FileState(path: path)]
        }
        func step(_ text: String) throws -> FileWatch.Step {
            now += .milliseconds(500)
            return watch.look(at: try state(text), now: now)
        }
        // What was loaded at the start may have changed before the first look.
        #expect(try step("1") == .changed)
        #expect(try step("1") == .same)
        #expect(try step("2") == .settling)
        #expect(try step("3") == .settling)
        #expect(try step("3") == .changed)
        #expect(try step("3") == .same)
        // There and back again is nothing.
        #expect(try step("4") == .settling)
        #expect(try step("3") == .same)
        var steps: [FileWatch.Step] = []
        for number in 0..<12 { steps.append(try step("n\(number)")) }
        #expect(steps == Array(repeating: .settling, count: 10) + [.changed, .settling])
    }

    @Test("a problem is told once when it has lasted, and another one again")
    func trouble() {
        var trouble = CertificateTrouble()
        var now = ContinuousClock.now
        func isTold(_ reason: String, after seconds: Int, patience: Duration = .seconds(6)) -> Bool {
            now += .seconds(seconds)
            return trouble.note(reason, patience: patience, now: now)
        }
        let first = isTold("a", after: 0), soon = isTold("b", after: 3)
        #expect(!first && !soon && trouble.isPending)
        let lasting = isTold("b", after: 3), again = isTold("b", after: 60)
        #expect(lasting && !again && !trouble.isPending && trouble.told == "b")
        let other = isTold("c", after: 60), otherLater = isTold("c", after: 7)
        #expect(!other && otherLater)
        let atOnce = isTold("d", after: 0, patience: .zero)
        #expect(atOnce)
    }

    @Test("the default certificate is made anew while it is served, at 30 days left and after a clock that ran ahead")
    func renewal() async throws {
        let now = ManualClock()
        let watched = try await WatchedGateway(clock: now)
        let (gateway, log, port) = (watched.gateway, watched.log, watched.port)
        let day: Int64 = 86_400
        func served() -> WatchedCertificate? {
            let all = gateway.certificates.certificates
            #expect(all.count == 1 && all.first?.role == .server && all.first?.agents == ["api"])
            return all.first
        }
        func shown() async throws -> String {
            let ask = "openssl s_client -connect 127.0.0.1:\(port) </dev/null 2>/dev/null"
            return try await runCommand("sh", ["-c", "\(ask) | openssl x509 -noout -pubkey -enddate"])
        }
        let begin = now.seconds
        #expect(served()?.validUntil == begin + 365 * day)
        let first = try await shown()
        _ = await gateway.lookAfterCertificates()
        #expect(served()?.validUntil == begin + 365 * day)

        now.advance(335 * day - 60)
        _ = await gateway.lookAfterCertificates()
        #expect(served()?.validUntil == begin + 365 * day)
        now.advance(60)
        _ = await gateway.lookAfterCertificates()
        #expect(served()?.validUntil == now.seconds + 365 * day)
        let second = try await shown()
        let key: (String) -> Substring = { $0[..<($0.firstRange(of: "-----END")?.lowerBound ?? $0.endIndex)] }
        #expect(first != second && key(first) == key(second), "\(first)\(second)")
        #expect(log.count("Default certificate made") == 2 && log.count("Certificate replaced") == 1)
        // Once renewed it is not warned of.
        #expect(log.count("A certificate ends soon") == 0)
        now.advance(-400 * day)
        _ = await gateway.lookAfterCertificates()
        #expect(served()?.validUntil == now.seconds + 365 * day)
        let certificates = try await watched.end().filter { $0.action == "certificate" }
        #expect(certificates.map(\.object) == ["default", "api", "default", "api"], "\(certificates)")
    }

    @Test("one that was imported in its place is replaced, not made, even within the second in which it was issued")
    func imported() async throws {
        let authority = try await DemoAuthority()
        let issued = try await authority.issue("gateway")
        let now = ManualClock(try await offPool { try CertificateTerm.ofCertificate(issued.certificateFile).from })
        let watched = try await WatchedGateway(clock: now)
        #expect(watched.log.count("Default certificate made") == 1)
        for (file, name) in [(issued.keyFile, "default.key"), (issued.certificateFile, "default.pem")] {
            let text = try String(contentsOfFile: file, encoding: .utf8)
            try text.write(toFile: "\(watched.dataDirectory)/tls/\(name)", atomically: false, encoding: .utf8)
        }
        await watched.gateway.refreshCertificates()
        #expect(watched.log.count("Certificate replaced") == 1)
        #expect(watched.log.count("Default certificate made") == 1)
        let certificates = try await watched.end().filter { $0.action == "certificate" }
        #expect(certificates.map(\.object) == ["api"], "\(certificates)")
    }
}

/// A gateway with one REST server agent that serves the default certificate.
private struct WatchedGateway {
    let gateway: Gateway
    let log = LoggedMessages()
    let port: Int
    let dataDirectory: String
    private let audit: AuditLog
    private let folder: TemporaryDirectory

    init(clock: ManualClock) async throws {
        folder = try TemporaryDirectory()
        port = try freePort()
        let file = try folder.write(
            """
            version: 1
            gateway: { name: test, data-directory: data }
            channels:
              - name: S
                driver: simulator
                devices: [{ name: D, tags: [{ name: T, address: K0001, type: Long }] }]
            agents: [{ name: api, type: rest-server, port: \(port), items: [{ tags: "**" }] }]

            """, to: "gateway.yaml")
        let configuration = try #require(
            try await offPool { GatewayConfiguration.load(path: file, environment: [:]).configuration })
        dataDirectory = configuration.dataDirectory
        let lock = try DataDirectory(path: dataDirectory)
        let users = try await UserStore.open(
            dataDirectory: dataDirectory, minimumPasswordLength: configuration.minimumPasswordLength)
        audit = try await AuditLog.open(dataDirectory: dataDirectory)
        let outbox = try await Outbox.open(
            dataDirectory: dataDirectory, machine: "test", logger: log.logger)
        gateway = Gateway(
            dataDirectory: lock, users: users, audit: audit, outbox: outbox,
            eventLoops: MultiThreadedEventLoopGroup.singleton,
            logger: log.logger, clock: { clock.seconds })
        #expect(await gateway.apply(configuration) == [])
    }

    /// Stops it.
    ///
    /// - Returns: what its audit log holds.
    func end() async throws -> [AuditEntry] {
        await gateway.stop()
        try await audit.flush()
        let reader = AuditReader(dataDirectory: dataDirectory)
        let entries = try await offAuditPool { Result { try reader.entries(after: 0, limit: 100) } }.get()
        await gateway.endAudit()
        return entries
    }
}

/// Seconds since 1970 that pass when they are told to.
private final class ManualClock: Sendable {
    private let box: Mutex<Int64>
    init(_ seconds: Int64 = 1_800_000_000) { box = Mutex(seconds) }
    var seconds: Int64 { box.withLock { $0 } }
    func advance(_ seconds: Int64) { box.withLock { $0 += seconds } }
}

/// What was logged, by message.
private final class LoggedMessages: Sendable {
    private struct Handler: LogHandler {
        let messages: LoggedMessages
        var metadata = Logger.Metadata()
        var logLevel = Logger.Level.trace
        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }
        func log(event: LogEvent) { messages.box.withLock { $0.append(event.message.description) } }
    }

    private let box = Mutex<[String]>([])
    var logger: Logger { Logger(label: "test") { _ in Handler(messages: self) } }
    func count(_ message: String) -> Int { box.withLock { $0.count { $0 == message } } }
}
