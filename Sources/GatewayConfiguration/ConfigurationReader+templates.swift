import Outbox
import Publishing
import Tags
import WireFormat
import Yams

/// Templates of messages and of topics.
extension ConfigurationReader {
    /// Bytes of a template; real ones have a few hundred.
    private static let templateLimit = 64 << 10

    /// `template: standard | { standard: "…", values: "…" } | { advanced: "…" }`; what is wrong is reported.
    func readTemplate(_ section: Section, maxEvents: Int) -> MessageTemplate {
        guard let entry = section.entries["template"] else { return .standard }
        let expected = "standard, { standard: \"…\", values: \"…\" } or { advanced: \"…\" }"
        guard case .mapping = entry.node else {
            if let text = section.text("template", expected: expected), text.text != "standard" {
                log.add(.error, text.place, "\"template\" takes \(expected), found \(quoted(text))")
            }
            return .standard
        }
        guard let template = section.section("template", keys: ["standard", "values", "advanced"]) else {
            return .standard
        }
        let texts = ["standard", "values", "advanced"].map { templateText(template, $0) }
        if template.has("advanced") {
            if template.has("standard") || template.has("values") {
                template.error("advanced", "a template is either advanced or standard with values, not both")
                return .standard
            }
            return texts[2].map { advanced($0, maxEvents: maxEvents) } ?? .standard
        }
        guard template.has("standard") || template.has("values") else {
            log.add(.error, entry.place, "\"template\" takes \(expected), found nothing")
            return .standard
        }
        do throws(MessageTemplate.StandardError) {
            return try MessageTemplate(
                standard: texts[0]?.text, values: texts[1]?.text,
                variables: ConfigurationReader.identityVariables)
        } catch {
            template.error(error.part.rawValue, "\"\(error.part.rawValue)\": \(error.error)")
            return .standard
        }
    }

    private func templateText(_ template: Section, _ key: String) -> ScalarText? {
        guard let text = template.text(key, expected: "the text of a template") else { return nil }
        guard text.text.utf8.count <= ConfigurationReader.templateLimit else {
            log.add(
                .error, text.place,
                "\"\(key)\" has \(text.text.utf8.count) bytes; a template has \(ConfigurationReader.templateLimit) at "
                    + "most")
            return nil
        }
        guard !text.text.utf8.contains(0) else {
            log.add(.error, text.place, "\"\(key)\" holds a NUL character, which no message may")
            return nil
        }
        return text
    }

    /// What tells a message from every other, for templates.
    private static let identityVariables = DeliveryIdentity.Field.allCases.map { field in
        MessageTemplate.Variable(
            name: field.name, bare: DeliveryIdentity.placeholder(field, .bare),
            json: DeliveryIdentity.placeholder(field, .json))
    }

    private func advanced(_ text: ScalarText, maxEvents: Int) -> MessageTemplate {
        do throws(MessageTemplateError) {
            let template = try MessageTemplate(
                advanced: text.text, variables: ConfigurationReader.identityVariables)
            // What begins like JSON is most likely meant to be: a comma too many breaks every reader.
            let probes: [(events: Int, data: TagData, words: String)] = [
                (1, .double(1.5), "one value"), (2, .double(1.5), "two values"),
                (1, .string(TagString("text")), "a value that is a text: it comes with its quotes"),
            ]
            for probe in probes where probe.events <= maxEvents {
                let flaw = template.flawAsJSON(events: probe.events, data: probe.data) {
                    DeliveryIdentity.example.filled($0)
                }
                guard let flaw else { continue }
                log.add(.warning, text.place, "\"advanced\" gives no JSON with \(probe.words): \(flaw)")
                break
            }
            return template
        } catch {
            log.add(.error, text.place, "\"advanced\": \(error)")
            return .standard
        }
    }

    /// The topics of a topic with variables; nil where it has none, or is wrong and reported.
    func readTopics(_ topic: ScalarText) -> TopicTemplate? {
        if !topic.text.utf8.count(where: { $0 == 0x7C }).isMultiple(of: 2) {
            log.add(
                .warning, topic.place,
                "\"topic\" holds a bar that nothing closes, which stands for itself; a variable has two, as |TAG|")
        }
        do throws(TopicTemplate.UnknownVariable) {
            guard let topics = try TopicTemplate(parsing: topic.text) else { return nil }
            guard topics.hasFixedRoot else {
                log.add(
                    .error, topic.place,
                    "\"topic\" begins with a variable: the broker would have to let the gateway's account write whatever "
                        + "stands there; put a level before it, as plant/\(Section.shortened(topic.text))")
                return nil
            }
            return topics
        } catch {
            log.add(
                .error, topic.place,
                "|\(Section.shortened(error.word))| is no topic variable; there are "
                    + TopicTemplate.variables.joined(separator: ", "))
            return nil
        }
    }

    /// Reports two tags that would have one topic though it is to tell them apart, and one that is too long for MQTT.
    func checkTopics(_ topics: TopicTemplate, _ place: SourcePlace, _ items: [ItemOptions]) {
        var names: [[UInt8]: TagName] = [:]
        for name in catalog.names where items.winner(for: name)?.enabled == true {
            let topic = topics.topic(of: name)
            if topic.utf8.count > TopicTemplate.longest {
                return log.add(
                    .error, place,
                    "the topic of \"\(name.text)\" would have \(topic.utf8.count) bytes; MQTT allows "
                        + "\(TopicTemplate.longest)")
            }
            guard topics.isPerTag, let other = names.updateValue(name, forKey: Array(topic.utf8)) else { continue }
            return log.add(
                .error, place,
                "\"\(other.text)\" and \"\(name.text)\" would both be published to \"\(topic)\"; put |CHANNEL| and "
                    + "|DEVICE|, or |TAGNAME|, into the topic")
        }
    }
}
