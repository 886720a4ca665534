import Dispatch
import Drivers
import NIOCore
import NIOPosix
import Synchronization
import Tags
import Testing

/// Devices whose names are found late or never.
@Suite(.timeLimit(.minutes(1)))
struct ModbusNameTests {
    /// Knows every name but `hung.invalid`, which it looks for until it is released.
    private final class NameServer: Sendable {
        private let gate = DispatchSemaphore(value: 0)
        private let lookUps = Mutex<[String: Int]>([:])
        let threads = NIOThreadPool(numberOfThreads: 2)

        var names: ModbusNames { ModbusNames(threads: threads) { try self.find($0, $1) } }

        func asked(for host: String) -> Int { lookUps.withLock { $0[host] ?? 0 } }

        private func find(_ host: String, _ port: Int) throws -> [SocketAddress] {
            lookUps.withLock { $0[host, default: 0] += 1 }
            if host == "hung.invalid" {
                gate.wait()
                gate.signal()
            }
            return [try SocketAddress(ipAddress: "127.0.0.1", port: port)]
        }

        static func with(_ body: (NameServer) async throws -> Void) async throws {
            let server = NameServer()
            server.threads.start()
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(server))
            } catch {
                result = .failure(error)
            }
            server.gate.signal()
            try await server.threads.shutdownGracefully()
            try result.get()
        }

        func release() { gate.signal() }
    }

    private static func options(_ host: String, _ port: Int) -> ModbusDeviceOptions {
        var options = ModbusDeviceOptions.test(port: port)
        options.host = host
        return options
    }

    @Test func aNameThatIsNotFoundIsBadWithinATimeoutAndAskedForOnce() async throws {
        try await HostileDevice.with(script { $1.right }) { hostile in
            try await NameServer.with { server in
                let start = ContinuousClock.now
                let options = Self.options("hung.invalid", hostile.port)
                try await withModbusDevice(options, tags: [tag("40001")], names: server.names) { device, recorder in
                    await recorder.wait(for: 0) { $0.quality == .notConnected }
                    // 200 ms, with room for a busy machine.
                    #expect(ContinuousClock.now - start < .milliseconds(1500))
                    let expected = "the name hung.invalid was not found within 0.2 seconds"
                    #expect(await device.status().lastError?.hasSuffix(expected) == true)
                    while await device.status().failures < 3, !Task.isCancelled { await Task.yield() }
                    // An attempt waits for the look-up of the one before.
                    #expect(server.asked(for: "hung.invalid") == 1)
                    #expect(hostile.connections == 0)
                    server.release()
                    await recorder.waitForGood(1)
                }
            }
        }
    }

    @Test func aHungNameLeavesItsNeighbourOnTheLoopAlone() async throws {
        try await HostileDevice.with(script { $1.right }) { hostile in
            try await NameServer.with { server in
                let loop = MultiThreadedEventLoopGroup.singleton.next()
                let hung = Self.options("hung.invalid", hostile.port)
                try await withModbusDevice(hung, tags: [tag("40001")], names: server.names, on: loop) { _, bad in
                    await bad.wait(for: 0) { $0.quality == .notConnected }
                    let found = Self.options("found.invalid", hostile.port)
                    try await withModbusDevice(found, tags: [tag("40001")], names: server.names, on: loop) { _, good in
                        await good.waitForGood(1)
                        #expect(good.isGood(0))
                    }
                }
            }
        }
    }

    @Test func aDeviceIsStoppedWhileItsNameIsLookedUp() async throws {
        try await NameServer.with { server in
            var options = Self.options("hung.invalid", 502)
            options.timeout = .seconds(30)
            let asked = ContinuousClock.now
            try await withModbusDevice(options, tags: [tag("40001")], names: server.names) { _, _ in
                while server.asked(for: "hung.invalid") == 0, !Task.isCancelled { await Task.yield() }
            }
            #expect(ContinuousClock.now - asked < .seconds(10))
        }
    }
}
