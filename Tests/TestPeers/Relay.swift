import Glibc

/// Makes the clients of `port` of 127.0.0.1 come from another address of this machine, for programs that cannot choose
/// their own.
///
/// - Parameter body: gets the port that they are to use instead.
package func withRelay<Outcome: Sendable>(
    to port: Int, from source: String, _ body: (Int) async throws -> Outcome
) async throws -> Outcome {
    let near = try freePort()
    return try await withPeerProcess(
        "python3", ["\(packageRoot)/Tests/TestPeers/relay.py", "\(near)", "\(port)", source],
        isReady: { $0 == "relaying" }
    ) { identifier, _ in
        let result: Result<Outcome, any Error>
        do { result = .success(try await body(near)) } catch { result = .failure(error) }
        kill(identifier, SIGKILL)
        return try result.get()
    }
}

/// What somebody does who only holds connections.
package enum Holding: String, Sendable, CaseIterable {
    /// Sends nothing.
    case silent
    /// Half a greeting of TLS.
    case hello
    /// A whole handshake, then nothing.
    case tls
    /// Half of a request's head, without TLS.
    case head
}

/// Holds connections to `port` of 127.0.0.1 for as long as the body takes, and opens again what is closed.
///
/// - Parameter count: from each of the addresses. All have been tried when the body begins.
package func withHeldConnections<Outcome: Sendable>(
    _ kind: Holding, to port: Int, count: Int, from sources: [String], _ body: () async throws -> Outcome
) async throws -> Outcome {
    try await withPeerProcess(
        "python3",
        ["\(packageRoot)/Tests/TestPeers/hold.py", "\(port)", kind.rawValue, "\(count)"] + sources,
        isReady: { $0 == "holding" }
    ) { identifier, _ in
        let result: Result<Outcome, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        kill(identifier, SIGKILL)
        return try result.get()
    }
}
