package import Tags

/// An MQTT topic that is made of a tag's name: `plant/|DEVICE|/|TAG|`. Then each topic has messages of its own.
package struct TopicTemplate: Sendable, Equatable {
    private enum Piece: Sendable, Equatable {
        case text(String)
        /// The full name.
        case tagName
        case channel
        case device
        /// What follows the device, groups included.
        case tag
    }

    /// MQTT's limit for a topic, in bytes.
    package static let longest = 65_535
    package static let variables = ["TAGNAME", "CHANNEL", "DEVICE", "TAG"]

    /// As configured.
    package let text: String
    private let pieces: [Piece]

    /// nil when there is no variable in it: a fixed topic.
    ///
    /// - Parameter text: without wildcards and control characters.
    /// - Throws: the word between bars that is no variable.
    package init?(parsing text: String) throws(UnknownVariable) {
        let parts = text.split(separator: "|", omittingEmptySubsequences: false)
        guard parts.count > 2 else { return nil }
        var pieces: [Piece] = []
        for (index, part) in parts.enumerated() {
            if index.isMultiple(of: 2) {
                if !part.isEmpty { pieces.append(.text(String(part))) }
                continue
            }
            // A bar that nothing closes is a character like any other.
            guard index < parts.count - 1 else {
                pieces.append(.text("|\(part)"))
                continue
            }
            switch part {
            case "TAGNAME": pieces.append(.tagName)
            case "CHANNEL": pieces.append(.channel)
            case "DEVICE": pieces.append(.device)
            case "TAG": pieces.append(.tag)
            default: throw UnknownVariable(word: String(part))
            }
        }
        self.text = text
        self.pieces = pieces
    }

    package struct UnknownVariable: Error, Equatable {
        package let word: String
    }

    /// Whether it is meant to tell tags apart: then no two of them may have one topic.
    package var isPerTag: Bool { pieces.contains { $0 == .tagName || $0 == .tag } }

    /// The topic of a tag. `% / + #`, NUL and control bytes of its names become `%XX`, so that no name is more than part of
    /// a level; a `$` at the beginning as well, which the broker keeps for itself.
    package func topic(of name: TagName) -> String {
        let segments = name.segments
        var topic = ""
        for piece in pieces {
            switch piece {
            case .text(let text): topic += text
            case .tagName: TopicTemplate.append(name.text[...], to: &topic)
            case .channel: TopicTemplate.append(segments.first ?? "", to: &topic)
            // A tag of the gateway itself, `_System._Date`, has no device but its channel.
            case .device: TopicTemplate.append(segments.count > 2 ? segments[1] : segments.first ?? "", to: &topic)
            case .tag:
                let rest = segments.dropFirst(segments.count > 2 ? 2 : 1)
                TopicTemplate.append(rest.joined(separator: ".")[...], to: &topic)
            }
        }
        return topic
    }

    private static func append(_ name: Substring, to topic: inout String) {
        for scalar in name.unicodeScalars {
            let isFirstDollar = topic.isEmpty && scalar == "$"
            guard "%/+#".unicodeScalars.contains(scalar) || scalar.value < 0x20 || scalar.value == 0x7F || isFirstDollar
            else {
                topic.unicodeScalars.append(scalar)
                continue
            }
            topic += scalar.value < 0x10 ? "%0" : "%"
            topic += String(scalar.value, radix: 16, uppercase: true)
        }
    }

    /// The topic filter that all its topics match: `+` for each level with a variable in it.
    package var filter: String {
        let marked = pieces.reduce(into: "") { text, piece in
            if case .text(let own) = piece { text += own } else { text += "+" }
        }
        return marked.split(separator: "/", omittingEmptySubsequences: false)
            .map { $0.utf8.contains(0x2B) ? "+" : String($0) }.joined(separator: "/")
    }

    /// Whether its first level is the same for all tags. Without that its filter would take in what others publish and
    /// write.
    package var hasFixedRoot: Bool { filter.split(separator: "/", omittingEmptySubsequences: false).first != "+" }

    /// Whether a tag with the right name could have this topic.
    package func mayGive(_ topic: String) -> Bool {
        let levels = filter.split(separator: "/", omittingEmptySubsequences: false)
        let others = topic.split(separator: "/", omittingEmptySubsequences: false)
        return levels.count == others.count
            && zip(levels, others).allSatisfy { $0 == "+" || $0.utf8.elementsEqual($1.utf8) }
    }
}
