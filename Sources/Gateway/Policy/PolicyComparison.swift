import SecurityPolicy
import Tags

/// Which decisions another configuration would change.
package struct PolicyComparison: Codable, Sendable, Equatable {
    /// Decisions that change alike: the same people, the same action, the same way.
    package struct Change: Codable, Sendable, Equatable {
        package var principals: [String]
        package var groups: [String]
        package var action: String
        /// Whether it will be allowed.
        package var allowed: Bool
        package var count: Int
        /// The first of them.
        package var examples: [Example]
    }

    package struct Example: Codable, Sendable, Equatable {
        package var tag: String
        package var before: String
        package var after: String
    }

    /// What changes of an agent for everybody.
    package struct Agent: Codable, Sendable, Equatable {
        package var name: String
        /// Sentences: switches, and the agent's coming and going.
        package var switches: [String] = []
        package var exposed = 0
        package var exposedExamples: [String] = []
        package var hidden = 0
        package var hiddenExamples: [String] = []

        fileprivate var isChanged: Bool { !switches.isEmpty || exposed > 0 || hidden > 0 }
    }

    package var changes: [Change] = []
    package var agents: [Agent] = []
    /// Principals and tags that were compared.
    package var principals: Int
    package var tags: Int

    /// How many decisions change, each principal counted.
    package var decisions: Int { changes.reduce(0) { $0 + $1.count * $1.principals.count } }
    package var isEmpty: Bool { changes.isEmpty && agents.isEmpty }

    /// - Parameter examples: how many tags each change names.
    package init(from old: PolicyView, to new: PolicyView, _ subjects: [PolicySubject], examples: Int = 10) {
        let tags = PolicyComparison.union(old.tags, new.tags)
        self.tags = tags.count
        principals = subjects.reduce(0) { $0 + $1.names.count }
        let comingAndGoing = tags.filter { (old.tag(named: $0.text) == nil) != (new.tag(named: $0.text) == nil) }
        for subject in subjects {
            // Who has the same rules as before sees changes only where there is another tag.
            let isSame = old.rules(of: subject.principal) == new.rules(of: subject.principal)
            let tags = isSame ? comingAndGoing : tags
            for action in TagAction.allCases {
                var given = Change(subject, action, allowed: true)
                var taken = Change(subject, action, allowed: false)
                for tag in tags {
                    let before = old.decide(subject.principal, action, tag)
                    let after = new.decide(subject.principal, action, tag)
                    guard (before?.isAllowed ?? false) != (after?.isAllowed ?? false) else { continue }
                    let example = { Example(tag: tag.text, before: before.words, after: after.words) }
                    if after?.isAllowed ?? false {
                        given.add(example, limit: examples)
                    } else {
                        taken.add(example, limit: examples)
                    }
                }
                changes += [taken, given].filter { $0.count > 0 }
            }
        }
        agents = PolicyComparison.agents(old, new, tags, examples)
    }

    private static func agents(
        _ old: PolicyView, _ new: PolicyView, _ tags: [TagName], _ examples: Int
    ) -> [Agent] {
        let names =
            old.agents.map(\.name)
            + new.agents.map(\.name).filter { name in
                !old.agents.contains { $0.name == name }
            }
        return names.compactMap { name in
            let before = old.agents.firstIndex { $0.name == name }
            let after = new.agents.firstIndex { $0.name == name }
            var agent = Agent(name: name)
            switch (before.map { old.agents[$0] }, after.map { new.agents[$0] }) {
            case (let before?, let after?):
                if before.writes != after.writes {
                    agent.switches.append("write-endpoint is \(before.writes), will be \(after.writes)")
                }
                if before.anonymous != after.anonymous {
                    agent.switches.append("anonymous is \(before.anonymous), will be \(after.anonymous)")
                }
            case (nil, _): agent.switches.append("does not run, will run")
            case (_, nil): agent.switches.append("runs, will not run")
            }
            for tag in tags {
                let was = before.map { old.tag(named: tag.text) != nil && old.exposes($0, tag) } ?? false
                let will = after.map { new.tag(named: tag.text) != nil && new.exposes($0, tag) } ?? false
                if !was, will {
                    agent.exposed += 1
                    if agent.exposedExamples.count < examples { agent.exposedExamples.append(tag.text) }
                } else if was, !will {
                    agent.hidden += 1
                    if agent.hiddenExamples.count < examples { agent.hiddenExamples.append(tag.text) }
                }
            }
            return agent.isChanged ? agent : nil
        }
    }

    private static func union(_ old: [TagName], _ new: [TagName]) -> [TagName] {
        let known = Set(old)
        return old + new.filter { !known.contains($0) }
    }
}

extension PolicyComparison.Change {
    fileprivate init(_ subject: PolicySubject, _ action: TagAction, allowed: Bool) {
        self.init(
            principals: subject.names, groups: subject.principal.groups, action: action.rawValue, allowed: allowed,
            count: 0, examples: [])
    }

    fileprivate mutating func add(_ example: () -> PolicyComparison.Example, limit: Int) {
        count += 1
        if examples.count < limit { examples.append(example()) }
    }
}

extension PolicyDecision? {
    /// nil: there is no such tag.
    var words: String { self?.description ?? "there is no such tag" }
}
