import NIOCore
import NIOPosix
import NIOSSL
import Subprocess
import TLS
import Testing

@Suite("What a listener of ours accepts", .timeLimit(.minutes(1)))
struct ServerTLSTests {
    /// Runs `openssl s_client` with these arguments against a listener with the default identity.
    private func connect(
        _ arguments: [String], minimum: TLS.TLSVersion = .v1_2
    ) async throws -> (succeeded: Bool, text: String) {
        let folder = try TemporaryFolder()
        defer { withExtendedLifetime(folder) {} }
        let identity = try DefaultIdentity.ensure(
            directory: folder.path, commonName: "press-shop", hostNames: ["localhost"], addresses: ["127.0.0.1"])
        let tls = try ServerTLS(identity: identity, minimumVersion: minimum)
        let server = try await ServerBootstrap(group: .singletonMultiThreadedEventLoopGroup)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(tls.handler())
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        let result = try await run(
            .name("openssl"),
            arguments: Arguments(
                ["s_client", "-connect", "127.0.0.1:\(port)", "-verify_return_error", "-verify_ip", "127.0.0.1"]
                    + ["-CAfile", DefaultIdentity.certificateFile(dataDirectory: folder.path)] + arguments),
            input: .none, output: .string(limit: 1 << 18), error: .string(limit: 1 << 18))
        try await server.close()
        return (result.terminationStatus.isSuccess, result.standardOutput + result.standardError)
    }

    @Test func acceptsModernClients() async throws {
        let newest = try await connect(["-tls1_3", "-alpn", "h2,http/1.1"])
        #expect(newest.succeeded && newest.text.contains("ALPN protocol: http/1.1"), "\(newest.text)")
        let suite = "ECDHE-ECDSA-AES128-GCM-SHA256"
        let older = try await connect(["-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-GCM-SHA384:\(suite)"])
        #expect(older.succeeded && older.text.contains("Cipher is \(suite)"), "\(older.text)")
    }

    @Test(arguments: ["-tls1", "-tls1_1"]) func refusesOldVersions(_ version: String) async throws {
        let outcome = try await connect([version, "-cipher", "ALL:@SECLEVEL=0"])
        #expect(!outcome.succeeded)
        #expect(outcome.text.contains("alert protocol version"), "\(outcome.text)")
    }

    @Test func refusesTLS12WhereItIsToBe13() async throws {
        let outcome = try await connect(["-tls1_2"], minimum: .v1_3)
        #expect(!outcome.succeeded && outcome.text.contains("alert protocol version"), "\(outcome.text)")
    }

    @Test(arguments: [
        "ECDHE-ECDSA-AES256-SHA384", "ECDHE-ECDSA-AES128-SHA", "AES256-GCM-SHA384", "AES128-SHA",
        "DHE-RSA-AES256-GCM-SHA384",
    ])
    func refusesOldSuites(_ suite: String) async throws {
        let outcome = try await connect(["-tls1_2", "-cipher", "\(suite):@SECLEVEL=0"])
        #expect(!outcome.succeeded)
        #expect(outcome.text.contains("alert handshake failure"), "\(outcome.text)")
    }
}
