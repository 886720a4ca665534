import NIOCore
import NIOPosix
import Tags

#if canImport(Glibc)
    import Glibc
#endif

extension ModbusDevice {
    func connect() async {
        connection += 1
        let number = connection
        exchange.reset()
        repliesOnConnection = 0
        isDoubted = false
        // What it refused it may have refused because it was starting.
        for group in groups.indices { groups[group].restore(at: .now()) }
        if backoff.failures == 0 { state.state = .connecting }
        do {
            let opened = try await open(number)
            guard !isStopping else { return opened.close(promise: nil) }
            guard opened.isActive else { return await fail(.notConnected, "the device closed the connection at once") }
            channel = opened
            state.reconnects += number > 1 ? 1 : 0
            event("connected to \(state.endpoint)")
        } catch {
            let reason = "no connection to \(state.endpoint): \(described(error))"
            event(reason)
            await fail(.notConnected, reason)
        }
    }

    func disconnect() {
        let closing = channel
        // First: the channel's own end is then no news.
        channel = nil
        closing?.close(promise: nil)
    }

    /// Opens a connection within the device's timeout, the look-up of its name included, or until the device is stopped.
    /// What comes of the attempt later is closed.
    private func open(_ number: Int) async throws -> any Channel {
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(timeout)
            .channelOption(.tcpOption(.tcp_nodelay), value: 1)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHandler(
                        ModbusChannelHandler(device: self, connection: number))
                }
            }
        let opening = loop.makePromise(of: (any Channel).self)
        self.opening = opening
        let deadline = loop.scheduleTask(in: timeout) {
            self.assumeIsolated { $0.opened(.failure(ChannelError.connectTimeout($0.timeout)), number) }
        }
        defer { deadline.cancel() }
        let attempt: EventLoopFuture<any Channel>
        if let address = try? SocketAddress(ipAddress: options.host, port: Int(options.port)) {
            attempt = bootstrap.connect(to: address)
        } else {
            let resolver = ModbusNameResolver(addresses: lookUp())
            attempt = bootstrap.resolver(resolver).connect(host: options.host, port: Int(options.port))
        }
        attempt.whenComplete { result in self.assumeIsolated { $0.opened(result, number) } }
        return try await opening.futureResult.get()
    }

    /// What has become of the attempt that is under way. The first word on it counts; a channel that comes later is
    /// closed.
    func opened(_ result: Result<any Channel, any Error>, _ number: Int) {
        if let opening, number == connection {
            self.opening = nil
            opening.completeWith(result)
        } else if case .success(let late) = result {
            late.close(promise: nil)
        }
    }

    /// The name's addresses. A look-up cannot be ended: one that outlives its attempt is waited for by the next, so that
    /// a device has never more than one.
    private func lookUp() -> EventLoopFuture<[SocketAddress]> {
        if let lookingUp { return lookingUp }
        let (host, port, find) = (options.host, Int(options.port), names.find)
        let found = names.threads.runIfActive(eventLoop: loop) { try find(host, port) }
        lookingUp = found
        found.whenComplete { _ in self.assumeIsolated { $0.lookingUp = nil } }
        return found
    }

    /// What the network said, in the system's words.
    private func described(_ error: any Error) -> String {
        switch error {
        case let error as IOError: String(cString: strerror(error.errnoCode))
        case ChannelError.connectTimeout where lookingUp != nil:
            "the name \(options.host) was not found within \(options.timeout)"
        case ChannelError.connectTimeout: "no answer within \(options.timeout)"
        case let error as NIOConnectionError:
            error.connectionErrors.first.map { described($0.error) } ?? "the name \(options.host) was not found"
        default: "\(error)"
        }
    }
}
