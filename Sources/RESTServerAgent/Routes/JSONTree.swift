import WireFormat

/// A JSON document that is written down in the source: members stay in their order.
indirect enum JSONTree: Sendable, Equatable {
    struct Member: Sendable, Equatable {
        var name: String
        var value: JSONTree
    }

    case string(String)
    case integer(Int)
    case boolean(Bool)
    case array([JSONTree])
    case object([Member])

    var bytes: [UInt8] {
        var json = JSONBytes(capacity: 4096)
        append(to: &json)
        return json.bytes
    }

    /// An object with one more member; what is no object stays as it is.
    func with(_ name: String, _ value: JSONTree) -> JSONTree {
        guard case .object(let members) = self else { return self }
        return .object(members + [Member(name: name, value: value)])
    }

    private func append(to json: inout JSONBytes) {
        switch self {
        case .string(let text): json.append(string: text)
        case .integer(let number): json.append(integer: Int64(number))
        case .boolean(let flag): json.append(bool: flag)
        case .array(let elements):
            json.append(0x5B)
            for (index, element) in elements.enumerated() {
                if index > 0 { json.append(0x2C) }
                element.append(to: &json)
            }
            json.append(0x5D)
        case .object(let members):
            json.append(0x7B)
            for (index, member) in members.enumerated() {
                if index > 0 { json.append(0x2C) }
                json.append(string: member.name)
                json.append(0x3A)
                member.value.append(to: &json)
            }
            json.append(0x7D)
        }
    }
}

extension JSONTree: ExpressibleByStringLiteral, ExpressibleByStringInterpolation {
    init(stringLiteral value: String) { self = .string(value) }
}

extension JSONTree: ExpressibleByIntegerLiteral {
    init(integerLiteral value: Int) { self = .integer(value) }
}

extension JSONTree: ExpressibleByBooleanLiteral {
    init(booleanLiteral value: Bool) { self = .boolean(value) }
}

extension JSONTree: ExpressibleByArrayLiteral {
    init(arrayLiteral elements: JSONTree...) { self = .array(elements) }
}

extension JSONTree: ExpressibleByDictionaryLiteral {
    init(dictionaryLiteral elements: (String, JSONTree)...) {
        self = .object(elements.map { Member(name: $0.0, value: $0.1) })
    }
}
