import Glibc

/// A network between a client and a server on this machine, there for as long as the body takes: before and after it,
/// connections to `port` are refused and open ones are cut.
package func withNetworkLink<Outcome: Sendable>(
    from port: Int, to target: Int, _ body: () async throws -> Outcome
) async throws -> Outcome {
    try await withPeerProcess(
        "python3", ["\(packageRoot)/Tests/TestPeers/forward.py", "\(port)", "\(target)"],
        isReady: { $0.hasPrefix("forwarding") }
    ) { identifier, _ in
        let result: Result<Outcome, any Error>
        do { result = .success(try await body()) } catch { result = .failure(error) }
        kill(identifier, SIGKILL)
        return try result.get()
    }
}
