/// What tells a message from every other that any gateway ever sent, under the same names as MQTT 5 user properties, HTTP
/// headers and template variables.
package struct DeliveryIdentity: Sendable, Equatable {
    package let gateway: String
    package let agent: String
    /// 32 hexadecimal digits; new with each new, restored or copied database.
    package let epoch: String
    package let sequence: UInt64
    package let offset: Int
    package let events: Int
    package let gap: ClosedRange<UInt64>?

    /// One part of it, in the order in which they are sent.
    package enum Field: UInt8, Sendable, CaseIterable {
        case gateway = 1
        case agent, epoch, sequence, offset, events, gap

        package var name: String {
            switch self {
            case .gateway: "sallyport-gateway"
            case .agent: "sallyport-agent"
            case .epoch: "sallyport-epoch"
            case .sequence: "sallyport-sequence"
            case .offset: "sallyport-offset"
            case .events: "sallyport-events"
            case .gap: "sallyport-gap"
            }
        }

        /// Whether it is written without quotes in JSON.
        package var isNumber: Bool { self == .sequence || self == .offset || self == .events }
    }

    /// nil for a gap that is not there.
    package func text(_ field: Field) -> String? {
        switch field {
        case .gateway: gateway
        case .agent: agent
        case .epoch: epoch
        case .sequence: String(sequence)
        case .offset: String(offset)
        case .events: String(events)
        case .gap: gap.map { "\($0.lowerBound)-\($0.upperBound)" }
        }
    }

    /// Names and texts of all that there are.
    package var fields: [(name: String, text: String)] {
        var fields: [(name: String, text: String)] = []
        fields.reserveCapacity(Field.allCases.count)
        for field in Field.allCases {
            if let text = text(field) { fields.append((field.name, text)) }
        }
        return fields
    }

    /// The same again for every attempt, and for no other message.
    package var idempotencyKey: String { "\(epoch)-\(agent)-\(sequence)-\(offset)" }

    /// For looking at a template before there is a message.
    package static let example = DeliveryIdentity(
        gateway: "gateway", agent: "agent", epoch: "00000000000000000000000000000000", sequence: 1, offset: 0,
        events: 1,
        gap: nil)

    // MARK: In templates

    /// How a template's text says that a part of the identity comes here, which nobody knows before the message is frozen:
    /// this byte, which no rendered text holds, the field's number, and how it is written.
    static let mark: UInt8 = 0

    package enum Form: UInt8, Sendable {
        /// As it is.
        case bare = 1
        /// A JSON value: a string comes quoted, nothing is null.
        case json
    }

    package static func placeholder(_ field: Field, _ form: Form) -> [UInt8] { [mark, field.rawValue, form.rawValue] }

    /// The text with its placeholders filled in.
    package func filled(_ text: [UInt8]) -> [UInt8] {
        var filled: [UInt8] = []
        var rest = text[...]
        while let place = rest.firstIndex(of: DeliveryIdentity.mark) {
            filled.append(contentsOf: rest[..<place])
            guard rest.endIndex - place >= 3, let field = Field(rawValue: rest[place + 1]),
                let form = Form(rawValue: rest[place + 2])
            else {
                rest = rest[(place + 1)...]
                continue
            }
            filled.append(contentsOf: DeliveryIdentity.written(self.text(field), field, form))
            rest = rest[(place + 3)...]
        }
        filled.append(contentsOf: rest)
        return filled
    }

    private static func written(_ text: String?, _ field: Field, _ form: Form) -> [UInt8] {
        guard form == .json, !field.isNumber else { return Array((text ?? "").utf8) }
        guard let text else { return Array("null".utf8) }
        // Names of gateways and agents are checked when they are configured: no character of theirs needs more than this.
        let escaped = text.utf8.flatMap { $0 == 0x22 || $0 == 0x5C ? [0x5C, $0] : [$0] }
        return [0x22] + escaped + [0x22]
    }
}
