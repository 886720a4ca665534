import Drivers
import Tags
import Yams

extension ConfigurationReader {
    /// A device's own options, before its tags are read.
    enum DeviceOptions {
        case simulator(SimulatorDeviceOptions)
        case modbus(ModbusDeviceOptions)

        var driver: String {
            switch self {
            case .simulator: "simulator"
            case .modbus: "modbus-tcp"
            }
        }
    }

    private static let commonDeviceKeys = ["name", "enabled", "poll", "tags", "groups", "tag-file"]
    private static let modbusDeviceKeys = [
        "host", "port", "unit", "timeout", "retries", "demote", "word-order", "zero-based",
    ]

    func readChannels(_ root: Section) -> [ChannelConfiguration] {
        var channels: [ChannelConfiguration] = []
        var seen: [String: SourcePlace] = [:]
        for node in root.list("channels") {
            guard let section = section(node, "a channel", keys: ["name", "driver", "enabled", "devices"]) else {
                catalog.markIncomplete(under: nil)
                continue
            }
            let name = readName(section, "channel", in: &seen)
            let isEnabled = section.boolean("enabled", default: true)
            let drivers = ChannelConfiguration.DriverKind.allCases.map(\.rawValue).joined(separator: " or ")
            if !section.has("driver") { section.error("driver", "\"driver\" is missing; it takes \(drivers)") }
            let driver = section.optionalChoice("driver", of: ChannelConfiguration.DriverKind.self)
            var devices: [DeviceConfiguration] = []
            var seenDevices: [String: SourcePlace] = [:]
            for node in section.list("devices") {
                guard let driver, let name else {
                    catalog.markIncomplete(under: name)
                    continue
                }
                let device = readDevice(
                    node, driver: driver, channel: name, isEnabled: isEnabled, in: &seenDevices)
                if let device { devices.append(device) } else { catalog.markIncomplete(under: name) }
            }
            if let name, let driver {
                channels.append(
                    ChannelConfiguration(name: name, driver: driver, enabled: isEnabled, devices: devices))
            }
        }
        return channels
    }

    private func readDevice(
        _ node: Node, driver: ChannelConfiguration.DriverKind, channel: String, isEnabled: Bool,
        in seen: inout [String: SourcePlace]
    ) -> DeviceConfiguration? {
        let keys = ConfigurationReader.commonDeviceKeys + ConfigurationReader.modbusDeviceKeys
        guard let section = section(node, "a device", keys: keys) else { return nil }
        let name = readName(section, "device", in: &seen)
        let deviceEnabled = section.boolean("enabled", default: true)
        let options: DeviceOptions
        switch driver {
        case .simulator:
            for key in ConfigurationReader.modbusDeviceKeys where section.has(key) {
                section.error(
                    key, "\"\(key)\" belongs to the driver modbus-tcp, and this channel's is simulator; remove it")
            }
            var simulator = SimulatorDeviceOptions()
            simulator.poll = section.duration("poll", in: .milliseconds(10)...(.seconds(3600)), default: simulator.poll)
            options = .simulator(simulator)
        case .modbusTCP: options = .modbus(readModbusDevice(section))
        }
        guard let name else { return nil }
        let path = "\(channel).\(name)"
        catalog.insertSystemTags(ofDevice: path, place: section.place)
        let tags = DeviceTags(reader: self, path: path, options: options, isEnabled: isEnabled && deviceEnabled)
        tags.read(section)
        return DeviceConfiguration(name: name, enabled: deviceEnabled, tags: tags.finished)
    }

    private func readModbusDevice(_ section: Section) -> ModbusDeviceOptions {
        var options = ModbusDeviceOptions(host: "")
        if let host = section.required("host", expected: "an address or a host name") {
            options.host = host.text
            if !ConfigurationReader.isHost(host.text) {
                log.add(.error, host.place, "\"host\" takes an address or a host name, found \(quoted(host))")
            }
        }
        options.port = UInt16(section.integer("port", in: 1...65_535, default: 502))
        if let unit = section.text("unit", expected: "a whole number from 1 to 255"), unit.text == "0" {
            log.add(.error, unit.place, "unit 0 is the broadcast address, which no device answers; use 1 to 255")
        } else if section.has("unit") {
            options.unit = UInt8(section.integer("unit", in: 1...255, default: 1))
        }
        options.poll = section.duration("poll", in: .milliseconds(10)...(.seconds(86_400)), default: options.poll)
        options.timeout = section.duration(
            "timeout", in: .milliseconds(10)...(.seconds(60)), default: options.timeout)
        options.retries = section.integer("retries", in: 0...10, default: options.retries)
        if let demote = section.section("demote", keys: ["after", "for"]) {
            options.demotion.after = demote.integer("after", in: 1...1000, default: options.demotion.after)
            options.demotion.period = demote.duration(
                "for", in: .milliseconds(100)...(.seconds(86_400)), default: options.demotion.period)
        }
        options.wordOrder = section.choice("word-order", default: options.wordOrder)
        options.isZeroBased = section.boolean("zero-based", default: options.isZeroBased)
        return options
    }

    /// The checked `name:` of a channel, device or group, nil when it is not usable.
    func readName(_ section: Section, _ kind: String, in seen: inout [String: SourcePlace]) -> String? {
        guard let name = section.required("name", expected: "the name of the \(kind)") else { return nil }
        guard isUsable(name, kind) else { return nil }
        checkUnique(name, kind, in: &seen)
        return name.text
    }

    /// Whether the text may name a channel, device, group or tag; the problem is reported.
    func isUsable(_ name: ScalarText, _ kind: String) -> Bool {
        do throws(TagNameError) {
            try TagName.check(name.text)
        } catch {
            log.add(.error, name.place, "\(kind) name \(quoted(name)): \(error)")
            return false
        }
        guard !name.text.hasPrefix("_") else {
            log.add(
                .error, name.place,
                "\(kind) name \(quoted(name)): names that begin with _ are reserved for system tags; choose another")
            return false
        }
        return true
    }

    /// An IPv4 or IPv6 address or a host name, by its characters.
    static func isHost(_ text: String) -> Bool {
        (1...253).contains(text.utf8.count)
            && text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x41...0x5A).contains($0) || (0x61...0x7A).contains($0)
                    || [0x2D, 0x2E, 0x3A, 0x5F, 0x25].contains($0)
            }
    }
}
