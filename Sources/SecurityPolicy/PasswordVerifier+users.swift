extension PasswordVerifier {
    /// The user of that name as a principal, for who has proved to be that user in another way, as by a certificate. nil
    /// when there is none or it is disabled. Ask anew for every request.
    package func principal(ofUser name: String) -> Principal? {
        guard let user = users.user(named: name), !user.isDisabled else { return nil }
        return user.principal
    }
}
