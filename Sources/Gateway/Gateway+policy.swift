import GatewayConfiguration
import TagStore
import Tags

extension Gateway {
    /// What is in force, which need not be what the file says now.
    nonisolated func sendPolicy(_ output: ControlOutput) async throws {
        guard let configuration = await configuration else {
            throw GatewayError(.refused, "the gateway has no configuration yet; try again")
        }
        try await output.send(
            .policy(
                PolicyReport(
                    groups: configuration.groups,
                    agents: configuration.agents.filter(\.enabled).map(PolicyView.Agent.init))))
        let directory = store.directory
        var names: [String] = []
        var readOnly: [String] = []
        for handle in directory.handles {
            guard let definition = directory[handle] else { continue }
            names.append(definition.name.text)
            if definition.access == .read { readOnly.append(definition.name.text) }
            if names.count == 1000 {
                try await output.send(.names(names, readOnly: readOnly))
                names = []
                readOnly = []
            }
        }
        try await output.send(.names(names, readOnly: readOnly))
    }
}

extension ControlClient {
    /// The policy that the running gateway has in force.
    package func policy() throws -> PolicyView {
        try send(.policy)
        var report = PolicyReport(groups: [], agents: [])
        var names: [String] = []
        var readOnly: [String] = []
        while let reply = try next() {
            switch reply {
            case .policy(let sent): report = sent
            case .names(let part, let fixed):
                names += part
                readOnly += fixed
            default: break
            }
        }
        return try report.view(tags: names, readOnly: readOnly)
    }
}
