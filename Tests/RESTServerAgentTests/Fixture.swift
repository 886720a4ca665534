import Dispatch
import Foundation
import Logging
import NIOCore
import NIOPosix
import NIOSSL
import Publishing
import Synchronization
import TLS
import TagStore
import Tags
import Writes

@testable import RESTServerAgent
@testable import SecurityPolicy

/// A listener on a port of its own with a few tags and users.
struct Fixture: Sendable {
    static let password = "correct horse battery"
    static let admin = "Authorization: Basic " + base64("admin:" + password)
    static let viewer = "Authorization: Basic " + base64("viewer:" + password)

    let address: SocketAddress
    let store: TagStore
    let users: UserStore
    let verifier: PasswordVerifier
    let policy: PolicyBox
    let handles: [TagHandle]
    let audit: AuditLog
    let directory: String
    let agent: RESTServerAgent
    let certificates: CertificateBoard

    static func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }

    static let tags: [(String, DataType, TagValue)] = [
        ("Simulator.T2.5S", .long, value(.integer(1))),
        ("Simulator.T2.K0", .string, value(.string("a \"b\" é"))),
        ("Simulator.T2.Bad", .double, value(.double(7), .timeout)),
        ("Simulator.T2.Old", .double, value(.double(7.5), .uncertainLastUsable)),
        ("Simulator.T2.Array[0]", .long, value(.array([.integer(1), .integer(2)]))),
        ("Simulator.T2.Big", .qword, value(.unsigned(.max))),
        ("Simulator.T2.NaN", .double, value(.double(.nan))),
        ("Simulator.T2.a b+c,d", .boolean, value(.boolean(true))),
        ("Secret.PLC.Key", .long, value(.integer(99))),
        ("Simulator.T2.Hidden", .long, value(.integer(98))),
        ("Simulator.T2.NoRead", .long, value(.integer(97))),
        ("Outside.D.T", .long, value(.integer(96))),
        ("Simulator.T2._System._Error", .boolean, value(.boolean(false))),
    ]

    static func value(_ data: TagData, _ quality: Quality = .good) -> TagValue {
        TagValue(data: data, quality: quality, timestamp: Timestamp(milliseconds: 1_608_117_831_416))
    }

    static func groups() throws -> [GroupOptions] {
        func rule(_ pattern: String, _ actions: Set<TagAction>) throws -> PermissionRule {
            PermissionRule(tags: try TagPattern(pattern), actions: actions, place: "gateway.yaml:1")
        }
        return [
            GroupOptions(
                name: "viewers", allow: [try rule("Simulator.**", [.browse, .read]), try rule("Outside.**", [.read])],
                deny: [try rule("Simulator.T2.Hidden", [.browse]), try rule("Simulator.T2.NoRead", [.read])]),
            GroupOptions(name: "watchers", allow: [try rule("Simulator.T2._System._*", [.browse, .read])]),
        ]
    }

    static func options(port: UInt16 = 0) throws -> RESTServerAgentOptions {
        RESTServerAgentOptions(
            name: "api", port: port, https: false,
            items: [
                ItemOptions(tags: try TagPattern("**")),
                ItemOptions(tags: try TagPattern("Simulator.T2._System._*")),
                ItemOptions(tags: try TagPattern("Outside.**"), enabled: false),
            ])
    }

    /// Serves while `body` runs, and checks that the agent ends by itself afterwards.
    static func run(
        _ options: RESTServerAgentOptions? = nil, tls: ServerTLS? = nil, withUsers: Bool = true,
        timeouts: ConnectionState.Timeouts? = nil, history: ChangeHistory = ChangeHistory(),
        patience: Duration = LiveFeed.patience,
        logger: Logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() },
        writers: @escaping WriteArbiter.Writers = { _ in nil },
        _ body: @escaping @Sendable (Fixture) async throws -> Void
    ) async throws {
        let options = try options ?? Fixture.options()
        let directory = NSTemporaryDirectory() + "/sallyport-rest-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let users = try await UserStore.open(
            dataDirectory: directory, parameters: .init(rounds: 1024, blockSize: 8, parallelism: 1))
        if withUsers {
            try await users.add(name: "admin", password: password, groups: [GroupOptions.administrators, "watchers"])
            try await users.add(name: "viewer", password: password, groups: ["viewers"])
        }
        let store = TagStore()
        let handles = try await store.register(
            tags.map { name, type, _ in TagDefinition(name: TagName(validated: name), dataType: type) })
        await store.apply(zip(handles, tags).map { TagUpdate(handle: $0, value: $1.2) })
        let policy = PolicyBox(PolicySnapshot(groups: try groups()))
        let verifier = PasswordVerifier(users: users)
        let audit = try await AuditLog.open(dataDirectory: directory)
        let arbiter = WriteArbiter(store: store, policy: policy, audit: audit, writers: writers)
        let (listening, signal) = AsyncStream.makeStream(of: SocketAddress.self)
        let certificates = CertificateBoard()
        let agent = try RESTServerAgent(
            options: options, tls: tls, certificates: certificates, version: "1.2.3 (test)", store: store,
            policy: policy,
            verifier: verifier, arbiter: arbiter, audit: audit, eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: logger,
            timeouts: timeouts ?? .init(request: TimeAmount(options.limits.requestTimeout)), history: history,
            patience: patience,
            onListening: { signal.yield($0) })
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { signal.finish() }
                try await agent.run()
            }
            var addresses = listening.makeAsyncIterator()
            if let address = await addresses.next() {
                let fixture = Fixture(
                    address: address, store: store, users: users, verifier: verifier, policy: policy, handles: handles,
                    audit: audit, directory: directory, agent: agent, certificates: certificates)
                do {
                    try await body(fixture)
                } catch {
                    group.cancelAll()
                    throw error
                }
            }
            group.cancelAll()
            while let result = await group.nextResult() {
                if case .failure(let error) = result, !(error is CancellationError) { throw error }
            }
        }
    }

    /// What the listener serves with, without the listener.
    func responder(_ options: RESTServerAgentOptions) -> Responder {
        RESTServerAgent.responder(
            options: options, store: store, policy: policy, verifier: verifier,
            arbiter: WriteArbiter(store: store, policy: policy, audit: audit) { _ in nil }, audit: audit,
            certificates: CertificateBoard(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        ).0
    }

    /// What the audit log holds of this, in order.
    func entries(_ isWanted: (AuditEntry) -> Bool) async throws -> [AuditEntry] {
        try await audit.flush()
        let reader = AuditReader(dataDirectory: directory)
        let all = try await offAuditPool { Result { try reader.entries(after: 0, limit: 100_000) } }.get()
        return all.filter(isWanted)
    }

    /// Who logged in or did not, in order.
    func logins() async throws -> [String] {
        try await entries { $0.action == "login" }.map { "\($0.principal) \($0.outcome)" }
    }
}
