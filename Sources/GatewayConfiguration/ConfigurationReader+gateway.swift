import Tags
import Yams

extension ConfigurationReader {
    func readGateway(_ root: Section) -> GatewayConfiguration {
        var configuration = GatewayConfiguration(name: "", dataDirectory: absolute("data"))
        guard root.has("gateway") else {
            log.add(.error, root.place, "\"gateway\" is missing; it takes at least name: of this gateway")
            return configuration
        }
        guard let section = root.section("gateway", keys: ["name", "data-directory", "log"]) else {
            if Section.isNull(root.entries["gateway"]?.node ?? "") {
                root.error("gateway", "\"gateway\" is empty; it takes at least name: of this gateway")
            }
            return configuration
        }
        if let name = section.required("name", expected: "the name of this gateway") {
            configuration.name = name.text
            let isAllowed = name.text.utf8.allSatisfy {
                (0x30...0x39).contains($0) || (0x61...0x7A).contains(TagName.fold($0))
                    || [0x2D, 0x2E, 0x5F].contains($0)
            }
            if !isAllowed || !(1...64).contains(name.text.utf8.count) {
                log.add(
                    .error, name.place,
                    "the gateway's name goes into client ids and certificates: 1 to 64 letters (a-z), digits, - _ or .")
            }
        }
        if let path = section.text("data-directory", expected: "a path") {
            if path.text.isEmpty {
                log.add(.error, path.place, "\"data-directory\" is empty; it takes a path, as data")
            }
            configuration.dataDirectory = absolute(path.text)
        }
        if let log = section.section("log", keys: ["level", "format"]) {
            configuration.log.level = log.choice("level", default: configuration.log.level)
            configuration.log.format = log.choice("format", default: configuration.log.format)
        }
        return configuration
    }

    func readAcceptedRisks(_ root: Section, agents: [String: SourcePlace]) -> [AcceptedRisk] {
        var risks: [AcceptedRisk] = []
        for node in root.list("accept-risk") {
            guard
                let section = section(node, "an accepted risk", keys: ["rule", "agent", "reason", "until"])
            else { continue }
            let rule = section.required("rule", expected: "the id of a rule, as SP-101")
            let reason = section.required("reason", expected: "the reason, for whoever reads this later")
            if let reason, reason.text.allSatisfy(\.isWhitespace) {
                log.add(.error, reason.place, "\"reason\" is empty; say why this risk is taken")
            }
            let agent = section.text("agent", expected: "the name of an agent")
            if let agent, agents[TagName.folded(agent.text)] == nil {
                let nearest = NearestName.of(agent.text, in: agents.keys.sorted())
                log.add(
                    .error, agent.place,
                    "no agent is named \(quoted(agent))\(nearest.map { "; did you mean \"\($0)\"?" } ?? "")")
            }
            var until: Timestamp?
            if let text = section.text("until", expected: "a day, as 2027-01-31") {
                until = ConfigurationReader.endOfDay(text.text)
                if until == nil {
                    log.add(.error, text.place, "\"until\" takes a day, as 2027-01-31, found \(quoted(text))")
                }
            }
            guard let rule, let reason else { continue }
            let risk = AcceptedRisk(
                rule: rule.text, agent: agent?.text, reason: reason.text, until: until, place: section.place(of: "rule")
            )
            if risks.contains(where: { $0.rule == risk.rule && $0.agent == risk.agent }) {
                log.add(.error, rule.place, "rule \(quoted(rule)) is accepted twice for the same agent; remove one")
            }
            risks.append(risk)
        }
        return risks
    }

    /// The last microsecond of a day (UTC) written as `2027-01-31`.
    static func endOfDay(_ text: String) -> Timestamp? {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard parts.count == 3, parts.map(\.utf8.count) == [4, 2, 2],
            parts.allSatisfy({ $0.utf8.allSatisfy { (0x30...0x39).contains($0) } }),
            let year = Int64(parts[0]), let month = Int64(parts[1]), let day = Int64(parts[2]),
            year >= 1970, (1...12).contains(month)
        else { return nil }
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        let lengths: [Int64] = [31, isLeap ? 29 : 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
        guard day >= 1, day <= lengths[Int(month) - 1] else { return nil }
        let before = year - 1
        let leapDays = (before / 4 - before / 100 + before / 400) - (1969 / 4 - 1969 / 100 + 1969 / 400)
        let days = (year - 1970) * 365 + leapDays + lengths[..<(Int(month) - 1)].reduce(0, +) + day
        return Timestamp(microseconds: days * 86_400_000_000 - 1)
    }
}

extension TagName {
    /// ASCII letters in lower case: what names are compared by.
    static func folded(_ text: String) -> String {
        String(decoding: text.utf8.map(TagName.fold), as: UTF8.self)
    }
}
