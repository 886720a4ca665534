package import GatewayConfiguration
package import Tags

/// The rules engine: one evaluation for `check`, `run` and `audit`.
package enum Posture {
    /// Every rule, in the order of its id.
    package static let rules: [PostureRule] = PostureRule.mqtt + PostureRule.restClient + PostureRule.restServer

    /// Looks at the configuration alone; `now` decides which acceptances have run out.
    package static func evaluate(_ configuration: GatewayConfiguration, at now: Timestamp) -> PostureReport {
        var findings: [PostureFinding] = []
        for rule in rules {
            for seen in rule.evaluate(configuration) {
                let answers =
                    rule.isAcceptable
                    ? configuration.acceptedRisks.compactMap { accepts($0, rule.id, seen.agent, now) } : []
                // An acceptance that holds wins over another that ran out.
                let holding = answers.first { if case .accepted = $0 { true } else { false } }
                findings.append(
                    PostureFinding(
                        rule: rule, agent: seen.agent, place: seen.place, evidence: seen.evidence, fix: seen.fix,
                        acceptance: holding ?? answers.first ?? .none))
            }
        }
        findings.sort {
            ($1.rule.severity, $0.place.line, $0.place.column, $0.rule.id)
                < ($0.rule.severity, $1.place.line, $1.place.column, $1.rule.id)
        }
        return PostureReport(findings: findings, problems: problems(configuration, findings))
    }

    private static func accepts(
        _ risk: AcceptedRisk, _ rule: String, _ agent: String, _ now: Timestamp
    ) -> PostureFinding.Acceptance? {
        guard risk.rule == rule, risk.agent.map({ isSame($0, agent) }) ?? true else { return nil }
        if let until = risk.until, now > until { return .expired(risk) }
        return .accepted(risk)
    }

    private static func isSame(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8) { TagName.fold($0) == TagName.fold($1) }
    }

    private static func problems(
        _ configuration: GatewayConfiguration, _ findings: [PostureFinding]
    ) -> [ConfigurationProblem] {
        var problems: [ConfigurationProblem] = []
        for finding in findings where finding.rule.severity == .critical && finding.acceptance == .none {
            problems.append(ConfigurationProblem(place: finding.place, message: refusal(finding)))
        }
        for risk in configuration.acceptedRisks {
            guard rules.contains(where: { $0.id == risk.rule }) else {
                let known = rules.map(\.id).joined(separator: ", ")
                problems.append(
                    ConfigurationProblem(
                        place: risk.place, message: "no rule has the id \"\(risk.rule)\"; the rules are \(known)"))
                continue
            }
            guard rules.contains(where: { $0.id == risk.rule && $0.isAcceptable }) else {
                problems.append(
                    ConfigurationProblem(
                        place: risk.place, message: "\(risk.rule) cannot be accepted; remove the entry and put it right"
                    ))
                continue
            }
            let concerned = findings.filter { finding in
                switch finding.acceptance {
                case .accepted(let other), .expired(let other): other == risk
                case .none: false
                }
            }
            if let finding = concerned.first(where: { $0.acceptance == .expired(risk) }) {
                let consequence =
                    finding.rule.severity == .critical ? "agent \"\(finding.agent)\" is refused" : "it shows again"
                problems.append(
                    ConfigurationProblem(
                        place: risk.place, severity: .warning,
                        message: "the acceptance of \(risk.rule) ran out: \(consequence); "
                            + "put it right (\(oneLine(finding.fix))) or give it a later day"))
            } else if concerned.isEmpty {
                let agent = risk.agent.map { " for agent \"\($0)\"" } ?? ""
                problems.append(
                    ConfigurationProblem(
                        place: risk.place, severity: .warning,
                        message: "\(risk.rule) is accepted\(agent), and nothing breaks it; remove the entry"))
            }
        }
        return problems.sorted {
            ($0.place.file, $0.place.line, $0.place.column) < ($1.place.file, $1.place.line, $1.place.column)
        }
    }

    private static func refusal(_ finding: PostureFinding) -> String {
        let rule = finding.rule
        return "\(rule.id) \(rule.title) (\(rule.recommendations.joined(separator: ", "))): \(finding.evidence); "
            + "\(rule.why). Write \(oneLine(finding.fix))"
            + (rule.isAcceptable
                ? ", or take the risk knowingly with accept-risk: "
                    + "[{ rule: \(rule.id), agent: \(finding.agent), reason: \"…\", until: YYYY-MM-DD }]"
                : "; this risk cannot be accepted")
    }

    private static func oneLine(_ fix: String) -> String {
        fix.split(separator: "\n").joined(separator: " and ")
    }
}
