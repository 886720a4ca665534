import Glibc

/// A network of its own, with a loopback interface and nothing else, there for as long as the body takes. Only root may make
/// one.
package struct NetworkNamespace: Sendable {
    private let path: String

    /// Whether this process may make one, set rules in it and have file systems of its own: by trying.
    package static let isAllowed: Bool = {
        let rules = "add table inet t; add chain inet t c; add rule inet t c numgen random mod 10 < 3 drop"
        let trial = "PATH=$PATH:/usr/sbin:/sbin unshare --net --mount nft '\(rules)' >/dev/null 2>&1 && echo yes"
        guard let output = popen(trial, "r") else { return false }
        let first = fgetc(output)
        return pclose(output) == 0 && first == Int32(UInt8(ascii: "y"))
    }()

    package static func with<Outcome: Sendable>(
        _ body: (NetworkNamespace) async throws -> Outcome
    ) async throws -> Outcome {
        try await withPeerProcess(
            "unshare", ["--net", "sh", "-c", "ip link set lo up && echo ready >&2 && exec sleep infinity"],
            isReady: { $0 == "ready" }
        ) { identifier, _ in
            try await body(NetworkNamespace(path: "/proc/\(identifier)/ns/net"))
        }
    }

    /// In front of a program and its arguments: runs it in there.
    package var launcher: [String] { ["nsenter", "--net=\(path)"] }

    /// Runs on the caller's thread; sockets that are made in it stay in the network.
    package func inside<Outcome>(_ body: () throws -> Outcome) throws -> Outcome {
        let own = try Self.open("/proc/thread-self/ns/net"), other = try Self.open(path)
        defer {
            close(own)
            close(other)
        }
        guard Self.enter(other) else { throw TestPeerError("setns: errno \(errno)") }
        defer {
            // Whatever ran on this thread next would be in the wrong network.
            if !Self.enter(own) { fatalError("there is no way back from a network namespace") }
        }
        return try body()
    }

    /// Takes commands of nft, for instance `flush ruleset`.
    package func nft(_ commands: String...) async throws {
        for command in commands {
            try await runCommand(
                launcher[0], Array(launcher.dropFirst()) + ["nft"] + command.split(separator: " ").map(String.init))
        }
    }

    /// The C library declares `setns` only where GNU's extensions are asked for.
    private static func enter(_ descriptor: Int32) -> Bool {
        typealias Function = @convention(c) (Int32, Int32) -> Int32
        let network: Int32 = 0x4000_0000
        guard let symbol = dlsym(nil, "setns") else { return false }
        return unsafeBitCast(symbol, to: Function.self)(descriptor, network) == 0
    }

    private static func open(_ path: String) throws -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestPeerError("\(path) cannot be opened") }
        return descriptor
    }
}
