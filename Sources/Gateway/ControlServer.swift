import FoundationEssentials
import Glibc
import Logging
import NIOCore
import NIOPosix
import Synchronization

/// Where a handler of control requests sends its replies.
struct ControlOutput {
    fileprivate let outbound: NIOAsyncChannelOutboundWriter<ByteBuffer>
    /// Who asks, as the kernel says.
    let user: uid_t

    func send(_ reply: ControlReply) async throws {
        var line = try JSONEncoder().encode(reply)
        line.append(0x0A)
        try await outbound.write(ByteBuffer(bytes: line))
    }
}

/// The control socket in the data directory: one request line a connection, then reply lines until the last.
///
/// Only the user that runs the gateway, and root, may talk to it: the directory and the socket say so by their modes,
/// and the peer's credentials are checked besides.
struct ControlServer {
    typealias Handler = @Sendable (ControlRequest, ControlOutput) async throws -> Void
    typealias Listener = NIOAsyncChannel<NIOAsyncChannel<ByteBuffer, ByteBuffer>, Never>

    /// Certificates of 1 MiB that are to be imported, as base64.
    private static let longestRequest = 3 << 20
    private static let requestDeadline = Duration.seconds(5)
    private static let mostConnections = 32

    let path: String
    let group: any EventLoopGroup
    let logger: Logger
    let handler: Handler

    /// Binds the socket; what a killed process left behind is removed first (the data directory's lock is ours).
    func listen() async throws(GatewayError) -> Listener {
        guard path.utf8.count < 108 else {
            throw GatewayError(
                .control,
                "the path of the control socket is too long for the system (107 bytes): \(path); "
                    + "choose a shorter data-directory")
        }
        unlink(path)
        do {
            let listener = try await ServerBootstrap(group: group)
                .serverChannelOption(.backlog, value: 16)
                .bind(unixDomainSocketPath: path) { channel in
                    channel.eventLoop.makeCompletedFuture {
                        try NIOAsyncChannel<ByteBuffer, ByteBuffer>(wrappingChannelSynchronously: channel)
                    }
                }
            chmod(path, 0o600)
            return listener
        } catch {
            throw GatewayError(.control, "the control socket \(path) cannot be opened: \(error)")
        }
    }

    /// Serves until cancelled; then removes the socket.
    func serve(_ listener: Listener) async {
        defer { unlink(path) }
        do {
            try await listener.executeThenClose { connections in
                try await withThrowingDiscardingTaskGroup { tasks in
                    let open = OpenConnections(limit: ControlServer.mostConnections)
                    for try await connection in connections {
                        guard let user = await user(of: connection.channel), open.enter() else {
                            try? await connection.channel.close()
                            continue
                        }
                        tasks.addTask {
                            await serve(connection, to: user)
                            open.leave()
                        }
                    }
                }
            }
        } catch is CancellationError {
        } catch {
            logger.error("The control socket failed", metadata: ["reason": "\(error)"])
        }
    }

    /// Who is at the other end, when it is one of those who may be.
    private func user(of channel: any Channel) async -> uid_t? {
        guard let provider = channel as? any SocketOptionProvider else { return nil }
        let credentials: EventLoopFuture<PeerCredentials> = provider.unsafeGetSocketOption(
            level: .socket, name: .peerCredentials)
        guard let peer = try? await credentials.get() else { return nil }
        guard peer.user == geteuid() || peer.user == 0 else {
            logger.warning("Refused a stranger on the control socket", metadata: ["user": "\(peer.user)"])
            return nil
        }
        return peer.user
    }

    /// Two tasks a connection: one reads the request and then notices when the client hangs up, one answers. Whichever
    /// ends first ends the other.
    private func serve(_ connection: NIOAsyncChannel<ByteBuffer, ByteBuffer>, to user: uid_t) async {
        try? await connection.executeThenClose { inbound, outbound in
            let (requests, promise) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingOldest(1))
            let deadline = connection.channel.eventLoop.scheduleTask(in: .init(ControlServer.requestDeadline)) {
                connection.channel.close(promise: nil)
            }
            await withTaskGroup { tasks in
                tasks.addTask {
                    var line: [UInt8] = []
                    defer { promise.finish() }
                    do {
                        for try await chunk in inbound where !line.isComplete {
                            line.append(contentsOf: chunk.readableBytesView)
                            guard line.count <= ControlServer.longestRequest else { return }
                            if line.isComplete {
                                deadline.cancel()
                                promise.yield(line)
                            }
                        }
                    } catch {
                        // The client is gone, and so is who would hear of it.
                    }
                }
                tasks.addTask {
                    for await line in requests {
                        await answer(line, ControlOutput(outbound: outbound, user: user))
                        return
                    }
                }
                await tasks.next()
                tasks.cancelAll()
            }
        }
    }

    private func answer(_ line: [UInt8], _ output: ControlOutput) async {
        do {
            guard let request = try? JSONDecoder().decode(ControlRequest.self, from: Data(line)) else {
                throw GatewayError(
                    .control, "this request is not known to the running gateway; is it of another version?")
            }
            try await handler(request, output)
            try await output.send(.done(nil))
        } catch is CancellationError {
        } catch {
            try? await output.send(.failed("\(error)"))
        }
    }
}

extension [UInt8] {
    fileprivate var isComplete: Bool { last == 0x0A }
}

/// Linux's `struct ucred`, which Glibc's module leaves out.
private struct PeerCredentials: Sendable {
    var process: pid_t
    var user: uid_t
    var group: gid_t
}

extension NIOBSDSocket.Option {
    fileprivate static let peerCredentials = NIOBSDSocket.Option(rawValue: SO_PEERCRED)
}

/// Counts connections on the serving task and its children.
private final class OpenConnections: Sendable {
    private let limit: Int
    private let count = Mutex(0)

    init(limit: Int) {
        self.limit = limit
    }

    func enter() -> Bool {
        count.withLock { count in
            guard count < limit else { return false }
            count += 1
            return true
        }
    }

    func leave() { count.withLock { $0 -= 1 } }
}
