import Drivers
import Logging
import TagStore
import Tags

extension Gateway {
    /// Registers the gateway's own tags once, and feeds them and those of the devices every second.
    func startSystemTags() async {
        if systemHandles == nil {
            do {
                systemHandles = try await store.register(SystemTags.gatewayDefinitions())
            } catch {
                logger.error("The system tags could not be registered", metadata: ["reason": "\(error)"])
            }
        }
        systemSource = nil
        systemDevices = devices.values.sorted { $0.configuration.name < $1.configuration.name }
        guard systemTask == nil else { return }
        systemTask = Task {
            repeat { await feedSystemTags() } while (try? await Task.sleep(for: .seconds(1))) != nil
        }
    }

    private func feedSystemTags() async {
        guard let systemHandles else { return }
        let asked = systemDevices
        var states: [SystemDeviceState] = []
        var active = 0
        for device in asked {
            let state = await device.driver?.status().state
            states.append(SystemDeviceState(isEnabled: device.configuration.isEnabled, state: state))
            if states[states.count - 1].isWithoutError { active += device.handles.count }
        }
        // While the devices were asked the configuration may have changed: states and handles must be of the same ones.
        guard asked.map(\.systemHandles) == systemDevices.map(\.systemHandles), !isChanging else { return }
        var source = systemSource ?? SystemTagSource(gateway: systemHandles, devices: asked.map(\.systemHandles))
        let updates = source.updates(
            SystemTagSource.Snapshot(
                time: .now, activeTags: active, totalTags: store.directory.count, clients: agents.count,
                devices: states))
        systemSource = source
        await store.apply(updates)
    }
}
