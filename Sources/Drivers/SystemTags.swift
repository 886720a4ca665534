package import Tags

/// The tags that the gateway itself has: what they are called, and their values from a snapshot.
///
/// No wildcard matches them unless it begins with `_` itself.
package enum SystemTags {
    package static let group = "_System"

    /// `_System._Date` and the others, in the order of `gatewayUpdates`.
    package static func gatewayDefinitions() -> [TagDefinition] {
        [
            definition("_System._Date", .string, "the gateway's date, YYYY-MM-DD, in UTC"),
            definition("_System._Time", .string, "the gateway's time of day, HH:MM:SS, in UTC"),
            definition("_System._DateTime", .date, "the gateway's time"),
            definition("_System._ActiveTagCount", .dword, "tags of devices that answer"),
            definition("_System._TotalTagCount", .dword, "tags that are configured"),
            definition("_System._ClientCount", .dword, "agents and sessions that use tags"),
        ]
    }

    /// `CHANNEL.DEVICE._System._Error`, `_NoError` and `_Enabled`, in the order of `deviceUpdates`.
    package static func deviceDefinitions(channel: String, device: String) -> [TagDefinition] {
        let base = "\(channel).\(device)._System."
        return [
            definition(base + "_Error", .boolean, "the device does not answer"),
            definition(base + "_NoError", .boolean, "the device answers"),
            definition(base + "_Enabled", .boolean, "the device is enabled in the configuration"),
        ]
    }

    private static func definition(_ name: String, _ type: DataType, _ description: String) -> TagDefinition {
        TagDefinition(
            name: TagName(validated: name), dataType: type, details: TagDetails(description: description))
    }
}

/// What the coordinator knows about a device when system tags are made.
package struct SystemDeviceState: Sendable, Equatable {
    package var isEnabled: Bool
    /// nil while the device is disabled.
    package var state: DeviceStatus.State?

    package init(isEnabled: Bool, state: DeviceStatus.State?) {
        self.isEnabled = isEnabled
        self.state = state
    }

    /// Enabled, and it answers or has not been asked yet.
    package var isWithoutError: Bool { isEnabled && (state == .connected || state == .connecting) }
}

/// Makes the updates of system tags from snapshots; only what has changed is given out, so that an idle gateway stays
/// quiet.
package struct SystemTagSource: Sendable {
    /// What the gateway's own tags are made from.
    package struct Snapshot: Sendable, Equatable {
        package var time: Timestamp
        package var activeTags: Int
        package var totalTags: Int
        package var clients: Int
        /// As the handles of the devices that the source was made with.
        package var devices: [SystemDeviceState]

        package init(
            time: Timestamp, activeTags: Int, totalTags: Int, clients: Int, devices: [SystemDeviceState]
        ) {
            self.time = time
            self.activeTags = activeTags
            self.totalTags = totalTags
            self.clients = clients
            self.devices = devices
        }
    }

    private let gateway: [TagHandle]
    private let devices: [[TagHandle]]
    private var last: [TagHandle: TagData] = [:]

    /// - Parameters:
    ///   - gateway: the handles of `SystemTags.gatewayDefinitions`, in their order.
    ///   - devices: for each device those of `SystemTags.deviceDefinitions`, in their order.
    package init(gateway: [TagHandle], devices: [[TagHandle]]) {
        self.gateway = gateway
        self.devices = devices
    }

    package mutating func updates(_ snapshot: Snapshot) -> [TagUpdate] {
        let (date, time) = SystemTagSource.texts(snapshot.time)
        var pairs: [(TagHandle, TagData)] = []
        let values: [TagData] = [
            .string(date), .string(time), .date(snapshot.time), .unsigned(UInt64(clamping: snapshot.activeTags)),
            .unsigned(UInt64(clamping: snapshot.totalTags)), .unsigned(UInt64(clamping: snapshot.clients)),
        ]
        pairs += zip(gateway, values)
        for (handles, state) in zip(devices, snapshot.devices) {
            let isGood = state.isWithoutError
            let values: [TagData] = [
                .boolean(state.isEnabled && !isGood), .boolean(isGood), .boolean(state.isEnabled),
            ]
            pairs += zip(handles, values)
        }
        return pairs.compactMap { handle, data in
            guard last.updateValue(data, forKey: handle) != data else { return nil }
            return TagUpdate(handle: handle, value: TagValue(data: data, timestamp: snapshot.time))
        }
    }

    /// Date and time of day in UTC.
    static func texts(_ timestamp: Timestamp) -> (date: String, time: String) {
        let time = CivilTime(timestamp)
        return (
            "\(padded(time.year, 4))-\(padded(time.month, 2))-\(padded(time.day, 2))",
            "\(padded(time.hour, 2)):\(padded(time.minute, 2)):\(padded(time.second, 2))"
        )
    }

    private static func padded(_ number: Int, _ width: Int) -> String {
        let text = String(number)
        return String(repeating: "0", count: max(0, width - text.utf8.count)) + text
    }
}
