import Drivers
import GatewayConfiguration
import Logging
import TagStore
import Tags
import Writes

extension Gateway {
    /// Stops what the diff stops and starts what it starts. A tag that stays as it was keeps its handle, so that agents do
    /// not notice.
    func replaceDevices(_ diff: ConfigurationDiff) async {
        let starting = Dictionary(diff.startedDevices.map { ($0.name, $0) }) { first, _ in first }
        var stopped: [String: RunningDevice] = [:]
        for name in diff.stoppedDevices { stopDevice(name) }
        for name in diff.stoppedDevices {
            guard let running = devices.removeValue(forKey: name) else { continue }
            await running.task?.value
            if starting[name] == nil {
                await store.remove(running.handles + running.systemHandles)
            } else {
                stopped[name] = running
            }
        }
        for device in diff.startedDevices {
            guard let (handles, systemHandles) = await register(device, instead: stopped[device.name]) else { continue }
            devices[device.name] = start(device, handles: handles, systemHandles: systemHandles)
            if !device.isEnabled { await markDisabled(device.name) }
        }
    }

    func stopDevices(_ names: [String]) async {
        for name in names { stopDevice(name) }
        for name in names {
            await devices[name]?.task?.value
            devices[name] = nil
        }
    }

    /// Tells a device to end; nothing is written to it any more.
    func stopDevice(_ name: String) {
        guard let device = devices[name] else { return }
        writers.remove(device.handles)
        device.task?.cancel()
    }

    /// - Parameter old: the device of the same name that was stopped.
    private func register(
        _ device: ConfigurationDiff.Device, instead old: RunningDevice?
    ) async -> (handles: [TagHandle], systemHandles: [TagHandle])? {
        let definitions = device.configuration.definitions
        let before = Dictionary(
            zip(old?.configuration.configuration.definitions ?? [], old?.handles ?? []).map { ($0.name, ($0, $1)) }
        ) { first, _ in first }
        let kept = definitions.map { definition in
            before[definition.name].flatMap { $0.0 == definition ? $0.1 : nil }
        }
        await store.remove(Array(Set(old?.handles ?? []).subtracting(kept.compactMap { $0 })))
        do {
            var added = try await store.register(zip(definitions, kept).filter { $1 == nil }.map(\.0)).makeIterator()
            let handles = kept.compactMap { $0 ?? added.next() }
            if let old { return (handles, old.systemHandles) }
            let system = SystemTags.deviceDefinitions(channel: device.channelName, device: device.configuration.name)
            return (handles, try await store.register(system))
        } catch {
            // The configuration was checked for this; a device that lost its place must not take others with it.
            logger.error(
                "A device's tags could not be registered", metadata: ["device": "\(device.name)", "reason": "\(error)"])
            return nil
        }
    }

    private func start(
        _ device: ConfigurationDiff.Device, handles: [TagHandle], systemHandles: [TagHandle]
    ) -> RunningDevice {
        guard device.isEnabled else {
            return RunningDevice(
                configuration: device, handles: handles, systemHandles: systemHandles, driver: nil, task: nil)
        }
        let sink: TagSink = { [store] batch in await store.apply(batch) }
        var logger = logger
        logger[metadataKey: "device"] = "\(device.name)"
        let driver: any Driver =
            switch device.configuration.tags {
            case .simulator(let options, let tags):
                SimulatorDevice(
                    name: device.name, options: options,
                    tags: zip(handles, tags).map { (handle: $0, options: $1.options) }, sink: sink)
            case .modbus(let options, let tags):
                ModbusDevice(
                    name: device.name, options: options,
                    tags: zip(handles, tags).map { (handle: $0, options: $1.options) }, sink: sink,
                    eventLoopGroup: eventLoops, logger: logger)
            }
        writers.add(handles, of: WriteTarget(device: device.name, writer: driver))
        return RunningDevice(
            configuration: device, handles: handles, systemHandles: systemHandles, driver: driver,
            task: Task { await driver.run() })
    }

    private func markDisabled(_ name: String) async {
        guard let device = devices[name] else { return }
        let values = store.read(device.handles)
        await store.apply(
            zip(device.handles, values).map { handle, value in
                TagUpdate(
                    handle: handle, value: TagValue(data: value.data, quality: .disabled, timestamp: value.timestamp))
            })
    }

    /// A device by its name without regard to case.
    func device(named name: String) -> RunningDevice? {
        if let device = devices[name] { return device }
        let wanted = TagName(validated: name)
        return devices.first { TagName(validated: $0.key) == wanted }?.value
    }
}
