/// JSON as it came from outside, checked. Whole numbers are exact; what had a fraction or an exponent is a double.
package enum JSONValue: Sendable, Equatable {
    case null
    case boolean(Bool)
    /// A whole number that fits in 64 bits with a sign.
    case integer(Int64)
    /// A whole number above `Int64.max` that fits in 64 bits.
    case unsigned(UInt64)
    /// Written with a fraction or an exponent (`1e3`, `1.0`), or too long for 64 bits.
    case double(Double)
    case string(String)
    case array([JSONValue])
    /// In the order written; no name comes twice.
    case object([Member])

    package struct Member: Sendable, Equatable {
        package var name: String
        package var value: JSONValue

        package init(name: String, value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// The member of that name when this is an object that has it.
    package subscript(_ name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members.first { $0.name.utf8.elementsEqual(name.utf8) }?.value
    }
}
