/// Who asks, with the groups that decide what they may do.
package struct Principal: Sendable, Hashable, CustomStringConvertible {
    /// The user's name as made; nil for anonymous.
    package let name: String?
    /// As membership has them, sorted and without repeats in another case.
    package let groups: [String]

    package init(user name: String, groups: [String]) {
        self.name = name
        self.groups = Principal.normalised(groups)
    }

    private init() {
        name = nil
        groups = [GroupOptions.anonymous]
    }

    /// Who did not say who they are.
    package static let anonymous = Principal()

    package var isAdministrator: Bool { groups.contains { sameName($0, GroupOptions.administrators) } }

    package var description: String { name ?? GroupOptions.anonymous }

    private static func normalised(_ groups: [String]) -> [String] {
        var seen: Set<String> = []
        return groups.filter { seen.insert(foldedName($0)).inserted }.sorted { foldedName($0) < foldedName($1) }
    }
}

/// User and group names are compared as tag names are: by their bytes, without ASCII case.
func foldedName(_ name: String) -> String {
    String(decoding: name.utf8.map { $0 &- 0x41 < 26 ? $0 | 0x20 : $0 }, as: UTF8.self)
}

func sameName(_ left: String, _ right: String) -> Bool {
    left.utf8.elementsEqual(right.utf8) {
        ($0 &- 0x41 < 26 ? $0 | 0x20 : $0) == ($1 &- 0x41 < 26 ? $1 | 0x20 : $1)
    }
}
