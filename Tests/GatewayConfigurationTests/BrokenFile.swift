import Testing

/// A file and exactly what is said about it.
struct BrokenFile: Sendable, CustomTestStringConvertible {
    var name: String
    var text: String
    /// `line:column: severity: message`
    var problems: [String]
    var testDescription: String { name }
}

extension BrokenFile {
    static let all: [BrokenFile] = yaml + gateway + devices + security + agents + mqtt + rest + tls
}
