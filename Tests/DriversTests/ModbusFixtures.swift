import Drivers
import Logging
import NIOCore
import NIOPosix
import Tags

/// A tag by its address, as the configuration would give it.
func tag(
    _ address: String, _ type: DataType? = nil, access: TagAccess = .read, poll: Duration? = nil,
    scale: TagScale? = nil, range: ClosedRange<Double>? = nil, length: Int? = nil,
    stringOrder: ModbusStringOrder = .highByteFirst
) throws -> ModbusTagOptions {
    let parsed = try ModbusAddress(parsing: address, zeroBased: false)
    return ModbusTagOptions(
        address: parsed, type: type ?? parsed.defaultType, access: access, poll: poll, scale: scale, range: range,
        length: length, stringOrder: stringOrder)
}

/// Handles 0, 1, 2 … for tags in their order.
func handled(_ tags: [ModbusTagOptions]) -> [(handle: TagHandle, options: ModbusTagOptions)] {
    tags.enumerated().map { (TagHandle(index: UInt32($0)), $1) }
}

/// A device that runs for the time of the body and is stopped, and waited for, after it.
func withModbusDevice<Result: Sendable>(
    _ options: ModbusDeviceOptions, tags: [ModbusTagOptions], names: ModbusNames = .system,
    on loops: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
    _ body: (ModbusDevice, TagRecorder) async throws -> Result
) async throws -> Result {
    let recorder = TagRecorder()
    let device = ModbusDevice(
        name: "PLC", options: options, tags: handled(tags), sink: recorder.sink,
        eventLoopGroup: loops, names: names, logger: Logger(label: "test"))
    return try await withThrowingTaskGroup(of: Void.self) { group in
        group.addTask { await device.run() }
        let result = try await body(device, recorder)
        group.cancelAll()
        return result
    }
}

extension ModbusDeviceOptions {
    /// Fast enough for tests.
    static func test(port: Int, poll: Duration = .milliseconds(50), retries: Int = 1) -> ModbusDeviceOptions {
        ModbusDeviceOptions(
            host: "127.0.0.1", port: UInt16(port), poll: poll, timeout: .milliseconds(200), retries: retries,
            demotion: .init(after: 5, period: .milliseconds(500)))
    }
}
