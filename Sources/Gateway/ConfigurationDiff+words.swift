package import GatewayConfiguration
import RESTServerAgent
import SecurityPolicy

extension ConfigurationDiff {
    /// What has changed, in words for the audit log: parts of the file first, then groups, devices and agents by name,
    /// with old and new of the switches that decide who gets in and who writes.
    package static func words(from old: GatewayConfiguration?, to new: GatewayConfiguration) -> String {
        guard let old else { return "the first configuration" }
        let diff = ConfigurationDiff(from: old, to: new)
        var words: [String] = []
        if old.name != new.name { words.append("name \(old.name) -> \(new.name)") }
        if old.minimumPasswordLength != new.minimumPasswordLength {
            words.append("password minimum-length \(old.minimumPasswordLength) -> \(new.minimumPasswordLength)")
        }
        if old.audit != new.audit || old.auditForwarding != new.auditForwarding { words.append("audit") }
        if old.acceptedRisks.map(\.rule) != new.acceptedRisks.map(\.rule) { words.append("accepted risks") }
        func add(
            _ what: String, _ stopped: [String], _ started: [String], _ details: (String) -> [String] = { _ in [] }
        ) {
            for name in stopped where !started.contains(name) { words.append("\(what) \(name) removed") }
            for name in started {
                let details = details(name)
                words.append(
                    "\(what) \(name) \(stopped.contains(name) ? "changed" : "added")"
                        + (details.isEmpty ? "" : " (\(details.joined(separator: ", ")))"))
            }
        }
        let oldGroups = old.groups.map(withoutPlaces), newGroups = new.groups.map(withoutPlaces)
        add(
            "group", oldGroups.filter { !newGroups.contains($0) }.map(\.name),
            newGroups.filter { !oldGroups.contains($0) }.map(\.name))
        add("device", diff.stoppedDevices, diff.startedDevices.map(\.name))
        add("agent", diff.stoppedAgents, diff.startedAgents.map(\.name)) { name in
            guard let before = old.agents.first(where: { $0.name == name }),
                let after = new.agents.first(where: { $0.name == name })
            else { return [] }
            return switches(from: before, to: after)
        }
        return words.isEmpty ? "nothing" : words.joined(separator: ", ")
    }

    /// Rules that stand on other lines are the same rules.
    private static func withoutPlaces(_ group: GroupOptions) -> GroupOptions {
        var group = group
        for index in group.allow.indices { group.allow[index].place = "" }
        for index in group.deny.indices { group.deny[index].place = "" }
        return group
    }

    private static func switches(from old: AgentConfiguration, to new: AgentConfiguration) -> [String] {
        guard case .restServer(let old) = old.options, case .restServer(let new) = new.options else { return [] }
        let values = [
            ("bind", "\(old.bind):\(old.port)", "\(new.bind):\(new.port)"),
            ("https", "\(old.https)", "\(new.https)"),
            ("anonymous", "\(old.anonymous)", "\(new.anonymous)"),
            ("write-endpoint", "\(old.writeEndpoint)", "\(new.writeEndpoint)"),
            ("client-certificates", old.clientCertificates.mode.rawValue, new.clientCertificates.mode.rawValue),
        ]
        return values.filter { $0.1 != $0.2 }.map { "\($0.0) \($0.1) -> \($0.2)" }
    }
}
