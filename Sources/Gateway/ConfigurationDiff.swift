package import GatewayConfiguration
import Tags

/// What a new configuration stops and starts. The first start is a diff from nothing, so there is one path.
package struct ConfigurationDiff: Sendable, Equatable {
    /// A device with the channel it lies on.
    package struct Device: Sendable, Equatable {
        package var driver: ChannelConfiguration.DriverKind
        package var channelName: String
        /// `Channel.Device`.
        package var name: String
        package var isEnabled: Bool
        package var configuration: DeviceConfiguration
    }

    package var stoppedDevices: [String] = []
    package var startedDevices: [Device] = []
    package var stoppedAgents: [String] = []
    package var startedAgents: [AgentConfiguration] = []

    package init(from old: GatewayConfiguration?, to new: GatewayConfiguration) {
        let oldDevices = ConfigurationDiff.devices(of: old)
        let newDevices = ConfigurationDiff.devices(of: new)
        let oldByName = Dictionary(oldDevices.map { ($0.name, $0) }) { first, _ in first }
        let newByName = Dictionary(newDevices.map { ($0.name, $0) }) { first, _ in first }
        for device in oldDevices where newByName[device.name] != device { stoppedDevices.append(device.name) }
        for device in newDevices where oldByName[device.name] != device { startedDevices.append(device) }

        let oldAgents = old?.agents.filter(\.enabled) ?? []
        let newAgents = new.agents.filter(\.enabled)
        // Places in the file move without a meaning.
        func isSame(_ left: AgentConfiguration, _ right: AgentConfiguration) -> Bool {
            left.name == right.name && left.options == right.options
        }
        for agent in oldAgents where !newAgents.contains(where: { isSame($0, agent) }) {
            stoppedAgents.append(agent.name)
        }
        for agent in newAgents where !oldAgents.contains(where: { isSame($0, agent) }) {
            startedAgents.append(agent)
        }
    }

    /// How many devices and agents are touched.
    package var changes: Int {
        Set(stoppedDevices + startedDevices.map(\.name)).count + Set(stoppedAgents + startedAgents.map(\.name)).count
    }

    private static func devices(of configuration: GatewayConfiguration?) -> [Device] {
        (configuration?.channels ?? []).flatMap { channel in
            channel.devices.map { device in
                Device(
                    driver: channel.driver, channelName: channel.name, name: "\(channel.name).\(device.name)",
                    isEnabled: channel.enabled && device.enabled, configuration: device)
            }
        }
    }
}
