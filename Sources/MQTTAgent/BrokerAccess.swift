import Publishing

/// What a gateway's account needs on the broker, and nothing else (R5–R9).
package struct BrokerAccess: Sendable, Equatable {
    package let agent: String
    package let username: String?
    /// Topics that the account publishes to.
    package let writes: [String]
    /// Topics that the account subscribes to.
    package let reads: [String]
    /// What others may want to read.
    package let published: [String]

    package init(_ options: MQTTAgentOptions) {
        agent = options.name
        username = options.username
        published = BrokerAccess.unique(
            [options.publish.topics?.filter ?? options.topic]
                + [options.birth?.topic, options.lastWill?.topic].compactMap { $0 })
        writes = BrokerAccess.unique(published + [options.responseTopic].compactMap { $0 })
        reads = [options.writeTopic].compactMap { $0 }
    }

    private static func unique(_ topics: [String]) -> [String] {
        topics.reduce(into: []) { if !$0.contains($1) { $0.append($1) } }
    }

    /// Lines for mosquitto's `acl_file`: one section an account, so that no line can fall to another one. An account that
    /// is not named there may do nothing.
    ///
    /// - Parameter readers: accounts that may read what is published and no more.
    package static func mosquitto(
        _ agents: [BrokerAccess], readers: [String]
    ) throws(BrokerAccessError) -> String {
        var sections: [(account: String, agents: [String], lines: [String])] = []
        func add(_ account: String, agent: String, _ lines: [String]) {
            let index = sections.firstIndex { $0.account == account } ?? sections.endIndex
            if index == sections.endIndex { sections.append((account, [], [])) }
            sections[index].agents.append(agent)
            sections[index].lines = unique(sections[index].lines + lines)
        }
        for agent in agents {
            // Lines in front of the first account would hold for everybody who does not log in.
            guard let username = agent.username else { throw .noAccount(agent: agent.agent) }
            guard !readers.contains(username) else { throw .readerIsGateway(username) }
            add(username, agent: agent.agent, agent.writes.map { "topic write \($0)" })
            add(username, agent: agent.agent, agent.reads.map { "topic read \($0)" })
        }
        for reader in readers {
            for agent in agents { add(reader, agent: agent.agent, agent.published.map { "topic read \($0)" }) }
        }
        let texts = sections.map { section in
            ([
                "# For \(unique(section.agents).joined(separator: ", ")): made by sallyport broker-acl",
                "user \(section.account)",
            ] + section.lines).joined(separator: "\n") + "\n"
        }
        return texts.joined(separator: "\n")
    }
}

/// Why no access rules can be made.
package enum BrokerAccessError: Error, Equatable, CustomStringConvertible {
    case noAccount(agent: String)
    case readerIsGateway(String)

    package var description: String {
        switch self {
        case .noAccount(let agent):
            "agent \(agent) has no username: rules for it would hold for everybody who does not log in; "
                + "give it a username and a password"
        case .readerIsGateway(let name):
            "\(name) is a gateway's own account; a reader needs another one"
        }
    }
}
