import Drivers
package import GatewayConfiguration
import MQTTAgent
import Publishing
import RESTClientAgent
import RESTServerAgent
package import SecurityPolicy
package import Tags

/// What decides who may do what, of the configuration in force or of another: groups, tags and agents.
package struct PolicyView: Sendable {
    /// An agent as far as it decides what can be reached through it.
    package struct Agent: Codable, Sendable, Equatable {
        package struct Item: Codable, Sendable, Equatable {
            package var tags: String
            package var enabled: Bool
        }

        /// A line of the map of client certificates that gives a group. One that names a user is that user.
        package struct Certificate: Codable, Sendable, Equatable {
            /// The subject or alternative name as the configuration has it.
            package var name: String
            package var group: String
        }

        package var name: String
        /// `mqtt` or `rest-server`.
        package var type: String
        package var items: [Item]
        /// Whether its write switch is on.
        package var writes: Bool
        package var anonymous: Bool
        package var certificates: [Certificate] = []
    }

    package var groups: [GroupOptions]
    package var agents: [Agent]
    package var tags: [TagName]
    /// Those of the tags that the configuration lets nobody write.
    package var readOnly: Set<TagName>

    package let snapshot: PolicySnapshot
    private let known: Set<TagName>
    private let exposures: [[(pattern: TagPattern, enabled: Bool)]]

    package init(groups: [GroupOptions], agents: [Agent], tags: [TagName], readOnly: Set<TagName> = []) {
        self.groups = groups
        self.agents = agents
        self.tags = tags
        self.readOnly = readOnly
        snapshot = PolicySnapshot(groups: groups)
        known = Set(tags)
        exposures = agents.map { agent in
            agent.items.compactMap { item in
                guard let pattern = try? TagPattern(item.tags) else { return nil }
                return (pattern, item.enabled)
            }
        }
    }

    package init(_ configuration: GatewayConfiguration) {
        var definitions: [TagDefinition] = []
        for channel in configuration.channels {
            for device in channel.devices {
                definitions += device.definitions
                definitions += SystemTags.deviceDefinitions(channel: channel.name, device: device.name)
            }
        }
        definitions += SystemTags.gatewayDefinitions()
        self.init(
            groups: configuration.groups, agents: configuration.agents.filter(\.enabled).map(Agent.init),
            tags: definitions.map(\.name), readOnly: Set(definitions.filter { $0.access == .read }.map(\.name)))
    }

    /// Who logs in with a certificate that is mapped to a group, once each.
    package var certificatePrincipals: [Principal] {
        var seen: Set<Principal> = []
        return agents.flatMap(\.certificates)
            .map { Principal(.certificate, name: $0.name, groups: [$0.group]) }
            .filter { seen.insert($0).inserted }
    }

    /// The tag as configured; nil when there is none.
    package func tag(named name: String) -> TagName? {
        known.firstIndex(of: TagName(validated: name)).map { known[$0] }
    }

    /// Whether the tag is among the agent's items: the last that match win.
    package func exposes(_ agent: Int, _ tag: TagName) -> Bool {
        exposures[agent].last { $0.pattern.matches(tag) }?.enabled ?? false
    }

    package func decide(_ principal: Principal, _ action: TagAction, _ tag: TagName) -> PolicyDecision? {
        known.contains(tag) ? snapshot.decide(principal, action, tag) : nil
    }

    /// The rules of all of a principal's groups, without their places in a file.
    func rules(of principal: Principal) -> [[PermissionRule]] {
        let members = principal.groups.map { name in
            groups.first { TagName(validated: $0.name) == TagName(validated: name) }
        }
        return members.flatMap { group in
            [group?.allow ?? [], group?.deny ?? []].map { rules in
                rules.map { PermissionRule(tags: $0.tags, actions: $0.actions) }
            }
        }
    }

    /// Why nobody of that kind does this through an agent, whatever the permissions say; nil when they decide.
    package func obstacle(_ agent: Int, _ principal: Principal, _ action: TagAction, _ tag: TagName) -> String? {
        let options = agents[agent]
        if !exposes(agent, tag) { return "does not expose it" }
        guard options.type == "rest-server" else {
            return action == .write ? "takes no writes" : "publishes it; nobody reads through it"
        }
        if action == .write, readOnly.contains(tag) { return "the tag is read-only in the configuration" }
        if principal.kind == .anonymous, !options.anonymous {
            return "lets nobody in without a login (anonymous: false)"
        }
        if action == .write, !options.writes { return "write-endpoint is false: nobody writes through it" }
        return nil
    }
}

extension PolicyView.Agent {
    init(_ agent: AgentConfiguration) {
        name = agent.name
        switch agent.options {
        case .mqtt(let options):
            type = "mqtt"
            items = options.items.map { Item(tags: $0.tags.text, enabled: $0.enabled) }
            writes = false
            anonymous = false
        case .restClient(let options):
            type = "rest-client"
            items = options.items.map { Item(tags: $0.tags.text, enabled: $0.enabled) }
            writes = false
            anonymous = false
        case .restServer(let options):
            type = "rest-server"
            items = options.items.map { Item(tags: $0.tags.text, enabled: $0.enabled) }
            writes = options.writeEndpoint
            anonymous = options.anonymous
            guard options.https, options.clientCertificates.mode != .none else { return }
            certificates = options.clientCertificates.map.compactMap { line in
                guard case .group(let group) = line.identity else { return nil }
                switch line.key {
                case .subject(let name), .alternativeName(let name): return Certificate(name: name, group: group)
                }
            }
        }
    }
}
