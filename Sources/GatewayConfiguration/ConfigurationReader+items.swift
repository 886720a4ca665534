import Outbox
import Publishing
import Tags
import Yams

extension ConfigurationReader {
    static let rates: ClosedRange<Duration> = .milliseconds(10)...(.milliseconds(99_999_990))

    /// - Parameter isPublished: false where items only say which tags exist and nothing is sampled.
    func readItems(_ agent: Section, isEnabled: Bool, isPublished: Bool = true) -> [ItemOptions] {
        let nodes = agent.list("items")
        if nodes.isEmpty, isEnabled {
            log.add(
                .warning, agent.place(of: "items"),
                "the agent has no items: no tag exists through it; write items: [{ tags: \"**\" }] for all")
        }
        return nodes.compactMap { readItem($0, isPublished: isPublished) }
    }

    private func readItem(_ node: Node, isPublished: Bool) -> ItemOptions? {
        let keys = ["tags", "enabled", "scan-rate", "deadband", "send-every-scan"]
        guard let section = section(node, "an item", keys: keys) else { return nil }
        let pattern = readPattern(section)
        let isEnabled = section.boolean("enabled", default: true)
        let scanRate = section.optionalDuration("scan-rate", in: ConfigurationReader.rates)
        let deadband = readDeadband(section)
        let sendEveryScan = section.boolean("send-every-scan", default: false)
        if sendEveryScan, !section.has("scan-rate") {
            section.error("send-every-scan", "\"send-every-scan\" needs a \"scan-rate\"")
        }
        for key in ["scan-rate", "deadband", "send-every-scan"] where !isPublished && section.has(key) {
            section.warn(
                key, "\"\(key)\" has no effect on a rest-server agent, which answers with the value of the moment")
        }
        guard let pattern else { return nil }
        checkItem(pattern.pattern, pattern.place, deadband, section)
        return ItemOptions(
            tags: pattern.pattern, enabled: isEnabled, scanRate: scanRate, deadband: deadband,
            sendEveryScan: sendEveryScan)
    }

    private func checkItem(_ pattern: TagPattern, _ place: SourcePlace, _ deadband: Deadband, _ section: Section) {
        guard pattern.isLiteral else {
            if catalog.isComplete(for: pattern), !catalog.matches(pattern) {
                log.add(.warning, place, "\"\(pattern.text)\" matches no tag")
            }
            return
        }
        guard let entry = catalog.entry(of: pattern) else {
            if catalog.isComplete(for: pattern) {
                log.add(.error, place, "there is no tag \"\(pattern.text)\"\(suggestion(pattern))")
            }
            return
        }
        guard !entry.isBroken else { return }
        if !entry.isEnabled {
            log.add(.warning, place, "the tag \"\(pattern.text)\" is disabled, at \(entry.place)")
        }
        switch deadband {
        case .none: break
        case .absolute, .percent:
            if !entry.isNumber {
                section.error(
                    "deadband", "a deadband is for scalar numbers, and \"\(pattern.text)\" is none; remove it")
            } else if case .percent = deadband, !entry.hasSpan {
                section.error(
                    "deadband",
                    "a deadband in percent needs the tag's range, and \"\(pattern.text)\" has neither range: nor scale:; "
                        + "give it one or write an absolute number")
            }
        }
    }

    private func readDeadband(_ section: Section) -> Deadband {
        let expected = "a number of at least 0 or a percentage, as 0.5%"
        guard let text = section.text("deadband", expected: expected) else { return .none }
        let isPercent = text.text.hasSuffix("%")
        let digits = isPercent ? String(text.text.dropLast()) : text.text
        guard let number = Quantity.number(digits), number >= 0, !isPercent || number <= 100 else {
            log.add(.error, text.place, "\"deadband\" takes \(expected), found \(quoted(text))")
            return .none
        }
        if number == 0 { return .none }
        return isPercent ? .percent(number) : .absolute(number)
    }

    static let publishKeys = [
        "type", "rate", "format", "max-events", "send-initial-update", "ignore-quality-changes", "template",
    ]

    /// What every publishing agent's `publish:` holds.
    func readPublish(_ section: Section?) -> PublishOptions {
        var options = PublishOptions()
        guard let section else { return options }
        options.type = section.choice("type", default: options.type)
        options.rate = section.duration("rate", in: ConfigurationReader.rates, default: options.rate)
        options.format = section.choice("format", default: options.format)
        options.maxEvents = section.integer("max-events", in: 1...1_000_000, default: options.maxEvents)
        options.sendInitialUpdate = section.boolean("send-initial-update", default: options.sendInitialUpdate)
        options.ignoreQualityChanges = section.boolean("ignore-quality-changes", default: options.ignoreQualityChanges)
        if options.format == .wide, options.type == .onChange {
            section.error("format", "format wide sends every item each time, so it needs type: interval, not on-change")
        }
        options.template = readTemplate(section, maxEvents: options.maxEvents)
        return options
    }

    /// How much of what waits is kept for how long.
    func readOutbox(_ agent: Section) -> OutboxOptions {
        var options = OutboxOptions()
        let keys = ["max-bytes", "max-age", "when-full", "durability"]
        guard let section = agent.section("outbox", keys: keys) else { return options }
        let durability = section.word("durability", of: OutboxOptions.Durability.allCases.map(\.rawValue))
        options.durability = durability.flatMap { OutboxOptions.Durability(rawValue: $0) } ?? options.durability
        options.maxBytes = section.size("max-bytes", in: (1 << 16)...(1 << 44), default: options.maxBytes)
        if options.durability == .memory, options.maxBytes > OutboxOptions.mostInMemory {
            if section.has("max-bytes") {
                section.warn(
                    "max-bytes",
                    "with \"durability: memory\" no more than \(Quantity.text(bytes: OutboxOptions.mostInMemory)) are "
                        + "kept")
            }
            options.maxBytes = OutboxOptions.mostInMemory
        }
        options.maxAge =
            section.optionalDuration("max-age", in: .seconds(1)...(.seconds(36_500 * 86_400))) ?? options.maxAge
        let whenFull = section.word("when-full", of: OutboxOptions.WhenFull.allCases.map(\.rawValue))
        options.whenFull = whenFull.flatMap { OutboxOptions.WhenFull(rawValue: $0) } ?? options.whenFull
        return options
    }
}
