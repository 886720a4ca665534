import Drivers
import GatewayConfiguration
import Glibc
import MQTTAgent
import Outbox
import Publishing
import RESTClientAgent
import SecurityPolicy
import TLS
import TagStore
import Tags
import WireFormat

extension Gateway {
    /// Answers one request of the control socket. The caller is the local operator, who may see every tag.
    nonisolated func answer(_ request: ControlRequest, _ output: ControlOutput) async throws {
        switch request {
        case .status: try await output.send(.status(await statusReport()))
        case .devices(let name): try await output.send(.devices(try await deviceReports(name)))
        case .trace(let device): try await trace(device, output)
        case .browse(let pattern): try await browse(pattern, output)
        case .read(let tags): try await read(tags, output)
        case .watch(let tags): try await watch(tags, output)
        case .policy: try await sendPolicy(output)
        case .write(let command): try await output.send(.verdict(try await write(command)))
        case .user(let request): try await output.send(try await desk(output).perform(request))
        case .token(let request): try await output.send(try await desk(output).perform(request))
        case .auditLog(let request): try await answer(request, output)
        case .outbox(let request): try await answer(request, output)
        case .certificate(let request):
            let user = output.user
            let principal = try await offPool { localOperator(user: user) }
            try await output.send(try await certificates(request, by: principal))
        }
    }

    private nonisolated func desk(_ output: ControlOutput) async throws -> AccountDesk {
        let user = output.user
        let principal = try await offPool { localOperator(user: user) }
        return AccountDesk(users: users, audit: audit, by: principal)
    }

    // MARK: Devices and agents

    private func deviceReports(_ name: String?) async throws -> [DeviceReport] {
        if let name {
            guard let device = device(named: name) else { throw noDevice(name) }
            return [await report(device)]
        }
        var reports: [DeviceReport] = []
        for device in devices.values.sorted(by: { $0.configuration.name < $1.configuration.name }) {
            reports.append(await report(device))
        }
        return reports
    }

    private func report(_ device: RunningDevice) async -> DeviceReport {
        if let driver = device.driver { return DeviceReport(await driver.status()) }
        return DeviceReport(
            disabled: device.configuration.name, driver: device.configuration.driver.rawValue,
            tags: device.handles.count)
    }

    private func noDevice(_ name: String) -> GatewayError {
        let names = devices.keys.sorted().joined(separator: ", ")
        return GatewayError(.refused, "there is no device \(name); the devices are: \(names)")
    }

    private func statusReport() async throws -> StatusReport {
        StatusReport(
            name: configuration?.name ?? "", process: getpid(), tags: store.directory.count,
            startedMilliseconds: started.milliseconds,
            agents: agents.values.sorted { $0.configuration.name < $1.configuration.name }.map { agent in
                var report = agent.report
                if report.lastError == nil { report.lastError = certificateWatch.problem(of: report.name) }
                return report
            }
                + refused.sorted { $0.key < $1.key }.map {
                    StatusReport.Agent(name: $0.key, type: "", state: "refused", details: "", lastError: $0.value)
                }
                + failed.sorted { $0.key < $1.key }.map {
                    StatusReport.Agent(name: $0.key, type: "", state: "failed", details: "", lastError: $0.value)
                },
            certificates: certificates.certificates.map { certificate in
                StatusReport.Certificate(
                    role: certificate.role.rawValue, name: certificate.name, agents: certificate.agents,
                    validUntilMilliseconds: certificate.validUntil * 1000,
                    daysLeft: certificate.daysLeft(now: clock()))
            },
            devices: try await deviceReports(nil))
    }

    private nonisolated func trace(_ name: String, _ output: ControlOutput) async throws {
        guard let device = await device(named: name) else { throw await noDevice(name) }
        guard let driver = device.driver else {
            throw GatewayError(.refused, "the device \(name) is disabled in the configuration")
        }
        for await entry in await driver.trace() { try await output.send(.trace(TraceReport(entry))) }
    }

    // MARK: Tags

    private nonisolated func browse(_ pattern: String, _ output: ControlOutput) async throws {
        let wanted = try TagPattern(pattern)
        let directory = store.directory
        let matches = directory.handles.compactMap { handle in
            directory[handle].flatMap { wanted.matches($0.name) ? TagReport($0) : nil }
        }
        try await send(matches, output)
    }

    private nonisolated func read(_ names: [String], _ output: ControlOutput) async throws {
        let found = try resolve(names)
        let values = store.read(found.map(\.handle))
        try await send(zip(found, values).map { TagReport($0.definition, $1) }, output)
    }

    private nonisolated func watch(_ names: [String], _ output: ControlOutput) async throws {
        let found = try resolve(names)
        let mailbox = await store.subscribe(found.map(\.handle), mode: .every(cap: 10_000), current: true)
        do {
            while !Task.isCancelled {
                await mailbox.wait()
                let contents = mailbox.take()
                if contents.dropped > 0 { try await output.send(.missed(contents.dropped)) }
                try await send(contents.updates.map { TagReport(found[Int($0.slot)].definition, $0.value) }, output)
            }
        } catch {
            await store.unsubscribe(mailbox)
            throw error
        }
        await store.unsubscribe(mailbox)
    }

    /// A few thousand a line, so that no line grows without bound.
    private nonisolated func send(_ reports: [TagReport], _ output: ControlOutput) async throws {
        var rest = reports[...]
        while !rest.isEmpty {
            try await output.send(.tags(Array(rest.prefix(1000))))
            rest = rest.dropFirst(1000)
        }
    }

    /// Names, or patterns when they hold a star, in the order asked.
    private nonisolated func resolve(_ names: [String]) throws -> [(handle: TagHandle, definition: TagDefinition)] {
        let directory = store.directory
        var found: [(handle: TagHandle, definition: TagDefinition)] = []
        var seen: Set<TagHandle> = []
        func add(_ handle: TagHandle) {
            guard let definition = directory[handle], seen.insert(handle).inserted else { return }
            found.append((handle, definition))
        }
        for name in names {
            if name.contains("*") {
                let pattern = try TagPattern(name)
                let before = found.count
                for handle in directory.handles where directory[handle].map({ pattern.matches($0.name) }) ?? false {
                    add(handle)
                }
                if found.count == before { throw GatewayError(.refused, "no tag matches \(name)") }
            } else if let handle = directory.handle(named: name) {
                add(handle)
            } else {
                throw GatewayError(.refused, "there is no tag \(name); sallyport tag browse lists them")
            }
        }
        return found
    }
}

extension DeviceReport {
    init(disabled name: String, driver: String, tags: Int) {
        self.init(DeviceStatus(name: name, driver: driver, endpoint: "", state: .stopped, tags: tags))
        state = "disabled"
    }
}

extension TagReport {
    init(_ definition: TagDefinition, _ value: TagValue? = nil) {
        name = definition.name.text
        type = definition.dataType.name + (definition.isArray ? " array" : "")
        access = definition.access == .readWrite ? "read-write" : "read"
        unit = definition.details?.unit
        description = definition.details?.description
        guard let value else { return }
        var json = JSONBytes()
        json.append(data: value.data)
        self.value = String(decoding: json.bytes, as: UTF8.self)
        quality = value.quality.text
        timeMilliseconds = value.timestamp.milliseconds
    }
}

extension RunningAgent {
    var report: StatusReport.Agent {
        switch kind {
        case .mqtt(let agent):
            let status = agent.status
            let queue = status.queue
            return StatusReport.Agent(
                name: configuration.name, type: "mqtt", state: status.state.rawValue,
                details: "\(agent.options.broker), \(agent.items.count) items, \(status.published) messages and "
                    + "\(status.events) events published, \(queue.messages) waiting, "
                    + "\(queue.counts.droppedMessages) dropped, \(status.refused) refused",
                lastError: status.lastError)
        case .restClient(let agent):
            let status = agent.status
            let queue = status.queue
            return StatusReport.Agent(
                name: configuration.name, type: "rest-client", state: status.state.rawValue,
                details: "\(agent.options.endpoint), \(agent.items.count) items, \(status.delivered) messages and "
                    + "\(status.events) events published, \(queue.messages) waiting, "
                    + "\(queue.counts.droppedMessages) dropped, \(status.refused) refused",
                lastError: status.lastError)
        case .restServer(let listener):
            let snapshot = listener.snapshot
            return StatusReport.Agent(
                name: configuration.name, type: "rest-server", state: snapshot.state, details: snapshot.endpoint,
                lastError: snapshot.lastError)
        }
    }
}
