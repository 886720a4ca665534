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
    case passwordIsCommon
    case noGroup
    case tokenExists(String)
    case noSuchToken(String)
    case tokenName(String, reason: String)
    case tokenWithoutGroup
    case tokenLife
    case tooManyTokens(Int)
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
        case .passwordIsCommon:
            "the password is among those that are guessed first, with or without digits and signs around it or over and"
                + " over; a few words in a row are better"
        case .tokenExists(let name):
            "there is a token \(name) already (names are compared without case); revoke it first with"
                + " `sallyport token revoke \(name)`, or choose another name"
        case .noSuchToken(let name): "there is no token \(name); `sallyport token list` shows which there are"
        case .tokenName(let name, let reason): "the token name \"\(name)\" cannot be used: \(reason)"
        case .tokenWithoutGroup: "a token needs at least one group: give --group NAME"
        case .tokenLife: "a token must expire after now and within 100 years"
        case .tooManyTokens(let most):
            "there are \(most) tokens already, which is the most; revoke those that nobody needs"
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
