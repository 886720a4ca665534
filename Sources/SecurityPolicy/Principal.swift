/// Who asks, with the groups that decide what they may do.
package struct Principal: Sendable, Hashable, CustomStringConvertible {
    package enum Kind: String, Sendable, CaseIterable, Codable {
        case user
        /// An API token.
        case token
        /// A client certificate that is mapped to a group; one that is mapped to a user is that user.
        case certificate
        /// Who did not say who they are.
        case anonymous
        /// Whoever may open the control socket on the machine itself.
        case localOperator = "operator"
    }

    package let kind: Kind
    /// The user's or token's name as made, the certificate's subject; nil for anonymous.
    package let name: String?
    /// As membership has them, sorted and without repeats in another case.
    package let groups: [String]

    package init(_ kind: Kind = .user, name: String, groups: [String]) {
        self.kind = kind
        self.name = name
        self.groups = Principal.normalised(groups)
    }

    package init(user name: String, groups: [String]) { self.init(.user, name: name, groups: groups) }

    private init() {
        kind = .anonymous
        name = nil
        groups = [GroupOptions.anonymous]
    }

    /// Who did not say who they are.
    package static let anonymous = Principal()

    package var isAdministrator: Bool { groups.contains { sameName($0, GroupOptions.administrators) } }

    /// `ann` for a user, `token pump-7`, `certificate CN=scada`, `anonymous`.
    package var description: String {
        guard let name else { return kind.rawValue }
        return kind == .user ? name : "\(kind.rawValue) \(name)"
    }

    private static func normalised(_ groups: [String]) -> [String] {
        var seen: Set<String> = []
        return groups.filter { seen.insert(foldedName($0)).inserted }.sorted { foldedName($0) < foldedName($1) }
    }
}

/// User and group names are compared as tag names are: by their bytes, without ASCII case.
func foldedName(_ name: String) -> String {
    String(decoding: name.utf8.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
}

package func sameName(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8) {
        ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == ($1 &- 0x41 < 26 ? $1 | 0x20 : $1)
    }
}
