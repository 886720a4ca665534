import SecurityPolicy
import Tags
import Yams

extension ConfigurationReader {
    func readSecurity(_ root: Section, into configuration: inout GatewayConfiguration) {
        guard let section = root.section("security", keys: ["password", "groups"]) else { return }
        if let password = section.section("password", keys: ["minimum-length"]) {
            configuration.minimumPasswordLength = password.integer("minimum-length", in: 14...512, default: 14)
        }
        var seen: [String: SourcePlace] = [:]
        let letsAnybodyIn = letsAnybodyIn(root)
        for node in section.list("groups") {
            if let group = readGroup(node, in: &seen, letsAnybodyIn: letsAnybodyIn) {
                configuration.groups.append(group)
            }
        }
    }

    /// Whether an enabled agent lets somebody in who does not log in, before the agents are read.
    private func letsAnybodyIn(_ root: Section) -> Bool {
        guard case .sequence(let agents)? = root.entries["agents"]?.node else { return false }
        return agents.contains { agent in
            guard case .mapping(let mapping) = agent else { return false }
            return Section.value("enabled", in: mapping)?.scalar?.string != "false"
                && Section.value("anonymous", in: mapping)?.scalar?.string == "true"
        }
    }

    private func readGroup(_ node: Node, in seen: inout [String: SourcePlace], letsAnybodyIn: Bool) -> GroupOptions? {
        guard let section = section(node, "a group", keys: ["name", "allow", "deny", "gateway"]) else { return nil }
        let name = section.required("name", expected: "the name of the group")
        let allow = section.list("allow").compactMap { readRule($0, isDeny: false) }
        let deny = section.list("deny").compactMap { readRule($0, isDeny: true) }
        let gateway = readWords(section, "gateway", of: GatewayPermission.self)
        if !gateway.subtracting([.metrics]).isEmpty {
            section.warn(
                "gateway", "nothing in this version of Sallyport asks for \"gateway\" permissions other than metrics")
        }
        guard let name else { return nil }
        if !letsAnybodyIn, ConfigurationReader.isAnonymous(name.text) {
            log.add(
                .warning, name.place,
                "the group \(GroupOptions.anonymous) has no effect: no enabled agent has anonymous: true")
        }
        do throws(TagNameError) {
            try TagName.check(name.text)
        } catch {
            log.add(.error, name.place, "group name \(quoted(name)): \(error)")
        }
        if TagName.folded(name.text) == TagName.folded(GroupOptions.administrators) {
            log.add(
                .error, name.place,
                "the group \(GroupOptions.administrators) always exists and may do everything; it cannot be configured")
        }
        checkUnique(name, "group", in: &seen)
        return GroupOptions(name: name.text, allow: allow, deny: deny, gateway: gateway)
    }

    private func readRule(_ node: Node, isDeny: Bool) -> PermissionRule? {
        guard let section = section(node, "a permission", keys: ["tags", "actions"]) else { return nil }
        let pattern = readPattern(section)
        let actions = readWords(section, "actions", of: TagAction.self)
        if !section.has("actions") {
            section.error("actions", "\"actions\" is missing; it takes a list of browse, read, write")
        } else if case .sequence(let list)? = section.entries["actions"]?.node, list.isEmpty {
            section.error("actions", "\"actions\" is empty; it takes a list of browse, read, write")
        }
        guard let pattern else { return nil }
        let place = pattern.place
        if catalog.isComplete(for: pattern.pattern), !catalog.matches(pattern.pattern) {
            if isDeny, pattern.pattern.isLiteral {
                log.add(
                    .error, place,
                    "this deny names \"\(pattern.pattern.text)\", and there is no such tag\(suggestion(pattern.pattern))"
                )
            } else {
                let hint = pattern.pattern.isLiteral ? suggestion(pattern.pattern) : ""
                log.add(.warning, place, "\"\(pattern.pattern.text)\" matches no tag\(hint)")
            }
        }
        return PermissionRule(tags: pattern.pattern, actions: actions, place: "\(file):\(section.place.line)")
    }

    /// A `tags:` pattern with its place.
    func readPattern(_ section: Section) -> (pattern: TagPattern, place: SourcePlace)? {
        guard let text = section.required("tags", expected: "a tag's full name or a pattern in quotes, as \"Plant.**\"")
        else { return nil }
        do throws(TagPatternError) {
            return (try TagPattern(text.text), text.place)
        } catch {
            log.add(.error, text.place, "\(error)")
            return nil
        }
    }

    func suggestion(_ pattern: TagPattern) -> String {
        catalog.nearest(to: pattern.text).map { "; did you mean \"\($0)\"?" } ?? ""
    }

    /// A list of an enumeration's words.
    private func readWords<Word: RawRepresentable<String> & CaseIterable & Hashable>(
        _ section: Section, _ key: String, of type: Word.Type
    ) -> Set<Word> {
        let words = Word.allCases.map(\.rawValue).joined(separator: ", ")
        var found: Set<Word> = []
        for node in section.list(key) {
            guard let text = section.text(of: node, "\"\(key)\" takes a list of \(words)") else { continue }
            guard let word = Word(rawValue: text.text) else {
                let nearest = NearestName.of(text.text, in: Word.allCases.map(\.rawValue))
                log.add(
                    .error, text.place,
                    "\"\(key)\" takes a list of \(words), found \(quoted(text))"
                        + (nearest.map { "; did you mean \"\($0)\"?" } ?? ""))
                continue
            }
            found.insert(word)
        }
        return found
    }
}
