/// Why a template is refused.
package struct MessageTemplateError: Error, Equatable, CustomStringConvertible {
    /// From 1.
    package let line: Int
    package let reason: String

    package var description: String { "line \(line): \(reason)" }
}

extension MessageTemplate {
    /// A variable of the message that only its sender knows; what stands in for it until then.
    package struct Variable: Sendable {
        package let name: String
        /// In free text.
        package let bare: [UInt8]
        /// Where a JSON value belongs.
        package let json: [UInt8]

        package init(name: String, bare: [UInt8], json: [UInt8]) {
            self.name = name
            self.bare = bare
            self.json = json
        }
    }

    /// The expansion of VALUES that is used where none is given.
    private static let standardValues = "id: |TAGNAME|\nv: |TAGVALUE|\nq: |TAGQUALITY|\nt: |TAGTIMESTAMP|"
    private static let standardMessage = "timestamp: |SERVERTIMESTAMP|\nvalues: |VALUES|"

    // MARK: standard

    /// Where in a standard template something is wrong.
    package enum Part: String, Sendable {
        case standard
        case values
    }

    /// What is wrong with a standard template, and in which of its texts.
    package struct StandardError: Error, Equatable {
        package let part: Part
        package let error: MessageTemplateError
    }

    /// Lines of `key: |VARIABLE|`, each a member of a JSON object.
    ///
    /// - Parameters:
    ///   - message: of the message; nil: the usual one.
    ///   - values: of each event; nil: the usual ones.
    ///   - variables: of the message, beside those that all have.
    package init(standard message: String?, values: String?, variables: [Variable] = []) throws(StandardError) {
        let members: [Member]
        let fields: [Member]
        do throws(MessageTemplateError) {
            members = try MessageTemplate.members(
                of: message ?? MessageTemplate.standardMessage, isEvent: false, variables)
        } catch {
            throw StandardError(part: .standard, error: error)
        }
        do throws(MessageTemplateError) {
            fields = try MessageTemplate.members(of: values ?? MessageTemplate.standardValues, isEvent: true, [])
        } catch {
            throw StandardError(part: .values, error: error)
        }
        guard let place = members.firstIndex(where: { $0.piece == nil }) else {
            throw StandardError(
                part: .standard,
                error: MessageTemplateError(line: 1, reason: "there is no line with |VALUES|: no value would be sent"))
        }
        head = MessageTemplate.object(members[..<place], opens: true)
        head.append(.text(MessageTemplate.key(members[place].key, isFirst: place == 0) + [0x5B]))
        tail = [.text([0x5D])] + MessageTemplate.object(members[(place + 1)...], opens: false) + [.text([0x7D])]
        event =
            MessageTemplate.object(fields[...], opens: true) + [
                .text([0x7D]), .beginSeparator, .text([0x2C]), .endSeparator,
            ]
        head = MessageTemplate.joined(head)
        event = MessageTemplate.joined(event)
        tail = MessageTemplate.joined(tail)
    }

    private struct Member {
        let key: String
        /// nil: the events.
        let piece: Piece?
    }

    private static func members(
        of text: String, isEvent: Bool, _ variables: [Variable]
    ) throws(MessageTemplateError) -> [Member] {
        var members: [Member] = []
        for (index, line) in lines(of: text).enumerated() {
            func fail(_ reason: String) -> MessageTemplateError {
                MessageTemplateError(line: index + 1, reason: reason)
            }
            let line = trimmed(line)
            if line.isEmpty { continue }
            guard let colon = line.utf8.firstIndex(of: 0x3A) else {
                throw fail("\"\(shown(line))\" is not of the form key: |VARIABLE|")
            }
            let key = trimmed(line[..<colon])
            let rest = trimmed(line[line.utf8.index(after: colon)...])
            guard !key.isEmpty, rest.utf8.count > 2, rest.utf8.first == 0x7C, rest.utf8.last == 0x7C else {
                throw fail("\"\(shown(line))\" is not of the form key: |VARIABLE|; an advanced template takes any text")
            }
            guard !members.contains(where: { $0.key.utf8.elementsEqual(key.utf8) }) else {
                throw fail("the key \"\(shown(key))\" stands twice")
            }
            let name = String(rest.dropFirst().dropLast())
            let piece: Piece?
            switch (name, isEvent) {
            case ("VALUES", false): piece = nil
            case ("SERVERTIMESTAMP", _): piece = .serverTimestamp
            case ("SERVERDATE", _): piece = .serverDate(isQuoted: true)
            case ("TAGNAME", true): piece = .tagName(.quoted)
            default:
                if let variable = variables.first(where: { $0.name == name }) {
                    piece = .text(variable.json)
                } else if isEvent, let known = value(name) {
                    piece = known
                } else {
                    let ofMessage = ["SERVERTIMESTAMP", "SERVERDATE", "VALUES"] + variables.map(\.name)
                    throw fail(unknown(name, known: isEvent ? ofEvent : ofMessage))
                }
            }
            guard piece != nil || !members.contains(where: { $0.piece == nil }) else {
                throw fail("|VALUES| stands twice")
            }
            members.append(Member(key: String(key), piece: piece))
        }
        guard !members.isEmpty else {
            throw MessageTemplateError(line: 1, reason: "there is no line of the form key: |VARIABLE|")
        }
        return members
    }

    private static func object(_ members: ArraySlice<Member>, opens: Bool) -> [Piece] {
        var pieces: [Piece] = opens ? [.text([0x7B])] : []
        for (index, member) in members.enumerated() {
            guard let piece = member.piece else { continue }
            pieces += [.text(key(member.key, isFirst: opens && index == 0)), piece]
        }
        return pieces
    }

    private static func key(_ key: String, isFirst: Bool) -> [UInt8] {
        var json = JSONBytes()
        if !isFirst { json.append(0x2C) }
        json.append(string: key)
        json.append(0x3A)
        return json.bytes
    }

    // MARK: advanced

    /// Free text with variables, `|#each VALUES| … |/each|` around what is said of each event, and in that
    /// `|#unless @last| … |/unless|` around what stands between two. `||` is a bar.
    ///
    /// - Parameter variables: of the message, beside those that all have.
    package init(advanced text: String, variables: [Variable] = []) throws(MessageTemplateError) {
        var parser = AdvancedParser(variables: variables)
        var line = 1
        var rest = Array(text.utf8)[...]
        while let bar = rest.firstIndex(of: 0x7C) {
            parser.take(rest[..<bar])
            line += rest[..<bar].count { $0 == 0x0A }
            guard let end = rest[(bar + 1)...].firstIndex(of: 0x7C) else {
                throw MessageTemplateError(line: line, reason: "a bar is not closed; || is a bar by itself")
            }
            let word = String(decoding: rest[(bar + 1)..<end], as: UTF8.self)
            do {
                if word.isEmpty { parser.take([0x7C]) } else { try parser.take(word: word) }
            } catch {
                throw MessageTemplateError(line: line, reason: error.reason)
            }
            line += rest[bar...end].count { $0 == 0x0A }
            rest = rest[(end + 1)...]
        }
        parser.take(rest)
        do {
            self = try parser.finished()
        } catch {
            throw MessageTemplateError(line: line, reason: error.reason)
        }
    }

    private struct Misplaced: Error {
        let reason: String
    }

    private struct AdvancedParser {
        private enum State {
            case head
            case event
            case separator
            case tail
        }

        let variables: [Variable]
        private var state = State.head
        private var head: [Piece] = []
        private var event: [Piece] = []
        private var tail: [Piece] = []
        /// Whether what comes stands between the quotes of a JSON string.
        private var isInString = false
        private var isEscaped = false

        init(variables: [Variable]) {
            self.variables = variables
        }

        mutating func take(_ text: ArraySlice<UInt8>) {
            guard !text.isEmpty else { return }
            for byte in text {
                if isEscaped {
                    isEscaped = false
                } else if byte == 0x5C {
                    isEscaped = isInString
                } else if byte == 0x22 {
                    isInString.toggle()
                }
            }
            add(.text(Array(text)))
        }

        mutating func take(word: String) throws(Misplaced) {
            // What comes in its place begins anew.
            isEscaped = false
            if let variable = variables.first(where: { $0.name == word }) {
                guard state == .head || state == .tail else {
                    throw Misplaced(
                        reason: "|\(word)| is the whole message's and belongs before |#each VALUES| or behind |/each|")
                }
                return add(.text(variable.bare))
            }
            switch word {
            case "#each VALUES":
                guard state == .head else { throw Misplaced(reason: "|#each VALUES| stands twice") }
                state = .event
            case "/each":
                guard state == .event else {
                    throw Misplaced(
                        reason: state == .separator
                            ? "|#unless @last| is not closed before |/each|"
                            : "|/each| without |#each VALUES| before it")
                }
                state = .tail
            case "#unless @last":
                guard state == .event else {
                    throw Misplaced(
                        reason: state == .separator
                            ? "|#unless @last| stands inside another one"
                            : "|#unless @last| belongs inside |#each VALUES|")
                }
                add(.beginSeparator)
                state = .separator
            case "/unless":
                guard state == .separator else {
                    throw Misplaced(reason: "|/unless| without |#unless @last| before it")
                }
                state = .event
                add(.endSeparator)
            case "SERVERTIMESTAMP": add(.serverTimestamp)
            case "SERVERDATE": add(.serverDate(isQuoted: false))
            case "VALUES": throw Misplaced(reason: "|VALUES| is for standard templates; here it is |#each VALUES|")
            default:
                let piece = word == "TAGNAME" ? .tagName(isInString ? .escaped : .raw) : MessageTemplate.value(word)
                guard let piece else {
                    throw Misplaced(
                        reason: MessageTemplate.unknown(
                            word,
                            known: MessageTemplate.ofEvent + [
                                "#each VALUES", "/each", "#unless @last", "/unless",
                            ]) + "; || is a bar by itself")
                }
                guard state == .event || state == .separator else {
                    throw Misplaced(reason: "|\(word)| belongs between |#each VALUES| and |/each|")
                }
                add(piece)
            }
        }

        func finished() throws(Misplaced) -> MessageTemplate {
            switch state {
            case .tail: break
            case .head: throw Misplaced(reason: "there is no |#each VALUES|: no value would be sent")
            case .event: throw Misplaced(reason: "|#each VALUES| is not closed by |/each|")
            case .separator: throw Misplaced(reason: "|#unless @last| is not closed by |/unless|")
            }
            guard event.contains(where: { $0 != .beginSeparator && $0 != .endSeparator }) else {
                throw Misplaced(reason: "there is nothing between |#each VALUES| and |/each|")
            }
            return MessageTemplate(
                head: MessageTemplate.joined(head), event: MessageTemplate.joined(event),
                tail: MessageTemplate.joined(tail))
        }

        private mutating func add(_ piece: Piece) {
            switch state {
            case .head: head.append(piece)
            case .event, .separator: event.append(piece)
            case .tail: tail.append(piece)
            }
        }
    }

    // MARK: words

    private static let ofEvent = [
        "TAGNAME", "TAGVALUE", "TAGQUALITY", "TAGTIMESTAMP", "VALUE", "QUALITY", "TIMESTAMP", "SERVERTIMESTAMP",
        "SERVERDATE",
    ]

    /// What is known of one event, but for its name. Both kinds of templates take both kinds of names.
    private static func value(_ name: String) -> Piece? {
        switch name {
        case "TAGVALUE", "VALUE": .value
        case "TAGQUALITY", "QUALITY": .quality
        case "TAGTIMESTAMP", "TIMESTAMP": .timestamp
        default: nil
        }
    }

    private static func unknown(_ name: String, known: [String]) -> String {
        "|\(shown(name[...]))| is not known here; there are \(known.joined(separator: ", "))"
    }

    /// It may be long, or hold what a terminal would obey.
    private static func shown(_ text: Substring) -> String {
        var shown = String.UnicodeScalarView()
        for scalar in text.unicodeScalars.prefix(40) {
            shown.append(scalar.properties.generalCategory == .control ? "?" : scalar)
        }
        return String(shown)
    }

    private static func lines(of text: String) -> [Substring] {
        text.utf8.split(separator: 0x0A, omittingEmptySubsequences: false).map { Substring($0) }
    }

    private static func trimmed(_ text: Substring) -> Substring {
        var bytes = text.utf8
        while let first = bytes.first, first == 0x20 || first == 0x09 { bytes.removeFirst() }
        while let last = bytes.last, last == 0x20 || last == 0x09 || last == 0x0D { bytes.removeLast() }
        return Substring(bytes)
    }

    /// With neighbouring texts as one.
    private static func joined(_ pieces: [Piece]) -> [Piece] {
        var joined: [Piece] = []
        for piece in pieces {
            if case .text(let text) = piece, case .text(let before)? = joined.last {
                joined[joined.count - 1] = .text(before + text)
            } else {
                joined.append(piece)
            }
        }
        return joined
    }
}
