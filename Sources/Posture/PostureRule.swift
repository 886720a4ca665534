package import GatewayConfiguration

/// How much a finding matters. What is critical in the file alone stops the start unless it is accepted.
package enum PostureSeverity: String, Sendable, CaseIterable, Comparable {
    case info, low, medium, high, critical

    package static func < (left: PostureSeverity, right: PostureSeverity) -> Bool { left.rank < right.rank }

    private var rank: Int {
        switch self {
        case .info: 0
        case .low: 1
        case .medium: 2
        case .high: 3
        case .critical: 4
        }
    }
}

/// One security recommendation as something that can be looked for: SP-1xx MQTT agents, SP-3xx REST server agents.
package struct PostureRule: Sendable {
    /// What a rule saw of one agent.
    package struct Observation: Sendable, Equatable {
        package var agent: String
        package var place: SourcePlace
        package var evidence: String
        /// Exact lines of the configuration.
        package var fix: String

        package init(agent: String, place: SourcePlace, evidence: String, fix: String) {
            self.agent = agent
            self.place = place
            self.evidence = evidence
            self.fix = fix
        }
    }

    package let id: String
    package let severity: PostureSeverity
    package let title: String
    package let why: String
    /// Ids of the recommendations that it holds: R3, R4.
    package let recommendations: [String]
    /// Whether `accept-risk` may take it.
    package let isAcceptable: Bool
    /// Pure: looks at nothing but the configuration.
    package let evaluate: @Sendable (GatewayConfiguration) -> [Observation]

    package init(
        id: String, severity: PostureSeverity, title: String, why: String, recommendations: [String],
        isAcceptable: Bool = true,
        evaluate: @escaping @Sendable (GatewayConfiguration) -> [Observation]
    ) {
        self.id = id
        self.severity = severity
        self.title = title
        self.why = why
        self.recommendations = recommendations
        self.isAcceptable = isAcceptable
        self.evaluate = evaluate
    }
}
