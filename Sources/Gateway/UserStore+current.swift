import SecurityPolicy
import Tags

extension UserStore {
    /// The principal with the groups that it has now; nil for a user who is gone or disabled and for a token that is
    /// revoked or has expired. What is neither stays as it is.
    func current(_ principal: Principal) -> Principal? {
        switch (principal.kind, principal.name) {
        case (.user, let name?):
            guard let user = user(named: name), !user.isDisabled else { return nil }
            return user.principal
        case (.token, let name?):
            guard let token = token(named: name), !token.hasExpired(at: .now) else { return nil }
            return token.principal
        default: return principal
        }
    }
}
