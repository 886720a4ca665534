package import Tags

/// A user as people see one: without the password.
package struct User: Sendable, Equatable {
    package let name: String
    package let groups: [String]
    package let isDisabled: Bool
    package let created: Timestamp
    /// When the password, the groups or the state last changed.
    package let changed: Timestamp

    package var isAdministrator: Bool { groups.contains { sameName($0, GroupOptions.administrators) } }
    package var principal: Principal { Principal(user: name, groups: groups) }

    static let maximumNameCharacters = 31

    static func check(name: String) throws(SecurityPolicyError) {
        func refuse(_ reason: String) -> SecurityPolicyError { .userName(name, reason: reason) }
        guard name.unicodeScalars.count <= maximumNameCharacters else {
            throw refuse("at most \(maximumNameCharacters) characters are allowed")
        }
        guard !name.utf8.contains(0x3A) else { throw refuse("HTTP Basic does not carry a colon in it") }
        guard !sameName(name, GroupOptions.anonymous) else { throw refuse("it stands for everybody without a name") }
        // A dot parts the segments of tag names only; user names such as "j.doe" are usual.
        do {
            try TagName.check(String(name.unicodeScalars.map { $0 == "." ? "_" : Character($0) }))
        } catch {
            throw refuse(error.description)
        }
    }
}
