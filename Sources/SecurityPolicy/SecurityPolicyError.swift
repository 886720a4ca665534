/// What went wrong with users, passwords or their database, for people.
package enum SecurityPolicyError: Error, Equatable, CustomStringConvertible {
    case userExists(String)
    case noSuchUser(String)
    case userName(String, reason: String)
    case passwordTooShort(minimum: Int)
    case passwordTooLong
    case passwordContainsUserName
    case passwordContainsNUL
    case passwordRepeats
    case noGroup
    case lastAdministrator(String)
    case newerDatabase(path: String, version: Int)
    case database(path: String, reason: String)
    case busy

    package var description: String {
        switch self {
        case .userExists(let name):
            "there is a user \(name) already (names are compared without case); to change the password use"
                + " `sallyport user password \(name)`"
        case .noSuchUser(let name): "there is no user \(name); `sallyport user list` shows who there is"
        case .userName(let name, let reason): "the user name \"\(name)\" cannot be used: \(reason)"
        case .passwordTooShort(let minimum):
            "the password is too short: at least \(minimum) characters are needed; a few words in a row are good"
        case .passwordTooLong: "the password is too long: at most 1024 bytes are allowed"
        case .passwordContainsUserName: "the password contains the user name; choose another"
        case .passwordContainsNUL: "the password contains a NUL character; choose another"
        case .passwordRepeats: "the password repeats the same few characters; a few words in a row are better"
        case .noGroup: "a user needs at least one group: give --group NAME, or --administrator"
        case .lastAdministrator(let name):
            "\(name) is the last administrator: make another first with `sallyport user add NAME --administrator`"
        case .newerDatabase(let path, let version):
            "\(path) was written by a newer Sallyport (its schema is \(version), this one knows"
                + " \(UserDatabase.schemaVersion)): run that version, or restore the database of this one"
        case .database(let path, let reason): "the user database \(path) cannot be used: \(reason)"
        case .busy: "too many passwords are being checked at once; try again in a few seconds"
        }
    }
}
