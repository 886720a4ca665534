import Logging
import NIOCore
import NIOPosix
import NIOSSL
import ServiceLifecycle
import TagStore
import TLS
import Tags
import Testing
import Writes

@testable import RESTServerAgent
@testable import SecurityPolicy

/// An agent inside a service group, as the gateway runs it, with the user `admin`.
enum ServedAgent {
    /// - Parameter body: has to trigger the graceful shutdown.
    static func run(
        tls: ServerTLS? = nil, _ body: (SocketAddress, ServiceGroup) async throws -> Void
    ) async throws {
        let directory = try SelfSigned.directory()
        let users = try await UserStore.open(
            dataDirectory: directory, parameters: .init(rounds: 1024, blockSize: 8, parallelism: 1))
        try await users.add(name: "admin", password: Fixture.password, groups: [GroupOptions.administrators])
        let audit = try await AuditLog.open(dataDirectory: directory)
        let store = TagStore(), policy = PolicyBox()
        _ = try await store.register([TagDefinition(name: TagName(validated: "Plant.PLC.Level"), dataType: .long)])
        let (listening, signal) = AsyncStream.makeStream(of: SocketAddress.self)
        let agent = try RESTServerAgent(
            options: try Fixture.options(), tls: tls, certificates: CertificateBoard(), store: store, policy: policy,
            verifier: PasswordVerifier(users: users),
            arbiter: WriteArbiter(store: store, policy: policy, audit: audit) { _ in nil }, audit: audit,
            eventLoopGroup: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }, onListening: { signal.yield($0) })
        let services = ServiceGroup(
            services: [agent], logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        async let ended: Void = services.run()
        var addresses = listening.makeAsyncIterator()
        try await body(try #require(await addresses.next()), services)
        try await ended
    }
}
