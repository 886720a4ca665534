import Glibc
package import SecurityPolicy
import Tags

/// What is asked about users, of a running gateway or of the data directory itself.
package enum UserRequest: Codable, Sendable, Equatable {
    case add(name: String, groups: [String], administrator: Bool, password: String)
    case list
    case show(name: String)
    case remove(name: String)
    case setPassword(name: String, password: String)
    case setEnabled(name: String, Bool)
    case setGroups(name: String, groups: [String])
}

/// The same about API tokens.
package enum TokenRequest: Codable, Sendable, Equatable {
    /// Expires so many milliseconds from now; nil: never.
    case create(name: String, groups: [String], lifeMilliseconds: Int64?)
    case list
    case show(name: String)
    case revoke(name: String)
}

package struct UserReport: Codable, Sendable, Equatable {
    package var name: String
    package var groups: [String]
    package var enabled: Bool
    package var administrator: Bool
    package var createdMilliseconds: Int64
}

package struct TokenReport: Codable, Sendable, Equatable {
    package var name: String
    package var groups: [String]
    package var createdMilliseconds: Int64
    /// nil: never.
    package var expiresMilliseconds: Int64?
    package var expired: Bool
}

/// Whoever works on the machine itself, by the name of their user there; who runs this process unless another is given.
/// Blocks on the system's user database.
package func localOperator(user: UInt32? = nil) -> Principal {
    let user = user ?? getuid()
    var entry = passwd()
    var found: UnsafeMutablePointer<passwd>?
    var buffer = [CChar](repeating: 0, count: 16 << 10)
    let code = getpwuid_r(user, &entry, &buffer, buffer.count, &found)
    let name = code == 0 && found != nil ? entry.pw_name.map { String(cString: $0) } : nil
    return Principal(.localOperator, name: name ?? "user \(user)", groups: [])
}

/// Users and tokens as an operator changes them: each change, and each that was refused, is durable in the audit log when
/// it returns. The same for a running gateway and for the data directory alone.
package struct AccountDesk: Sendable {
    private static let longestObject = 128
    private static let longestReason = 1024

    private let users: UserStore
    private let audit: AuditLog
    private let principal: Principal

    package init(users: UserStore, audit: AuditLog, by principal: Principal) {
        self.users = users
        self.audit = audit
        self.principal = principal
    }

    package func perform(_ request: UserRequest) async throws(GatewayError) -> ControlReply {
        switch request {
        case .list: return .users(users.list().map(UserReport.init))
        case .show(let name):
            guard let user = users.user(named: name) else { throw refusal(.noSuchUser(name)) }
            return .users([UserReport(user)])
        case .add(let name, let groups, let administrator, let password):
            let all = administrator ? groups + [GroupOptions.administrators] : groups
            try await change(.userAdd, name, new: text(all)) { users throws(SecurityPolicyError) in
                try await users.add(name: name, password: password, groups: all)
            }
        case .remove(let name):
            let old = users.user(named: name).map { text($0.groups) }
            try await change(.userRemove, name, old: old) { users throws(SecurityPolicyError) in
                try await users.remove(name: name)
            }
        case .setPassword(let name, let password):
            try await change(.userPassword, name) { users throws(SecurityPolicyError) in
                try await users.setPassword(of: name, to: password)
            }
        case .setEnabled(let name, let enabled):
            let old = users.user(named: name).map { $0.isDisabled ? "disabled" : "enabled" }
            try await change(
                enabled ? .userEnable : .userDisable, name, old: old, new: enabled ? "enabled" : "disabled"
            ) { users throws(SecurityPolicyError) in
                if enabled { try await users.enable(name: name) } else { try await users.disable(name: name) }
            }
        case .setGroups(let name, let groups):
            let old = users.user(named: name).map { text($0.groups) }
            try await change(.userGroups, name, old: old, new: text(groups)) { users throws(SecurityPolicyError) in
                try await users.setGroups(of: name, to: groups)
            }
        }
        return .done(nil)
    }

    package func perform(_ request: TokenRequest) async throws(GatewayError) -> ControlReply {
        switch request {
        case .list: return .tokens(users.tokens().map { TokenReport($0) })
        case .show(let name):
            guard let token = users.token(named: name) else { throw refusal(.noSuchToken(name)) }
            return .tokens([TokenReport(token)])
        case .create(let name, let groups, let life):
            let secret = try await change(.tokenCreate, name, new: text(groups)) { users throws(SecurityPolicyError) in
                var expires: Timestamp?
                if let life {
                    let (end, overflow) = Timestamp.now.milliseconds.addingReportingOverflow(life)
                    guard !overflow else { throw .tokenLife }
                    expires = Timestamp(milliseconds: end)
                }
                return try await users.createToken(name: name, groups: groups, expires: expires)
            }
            return .secret(secret)
        case .revoke(let name):
            let old = users.token(named: name).map { text($0.groups) }
            try await change(.tokenRevoke, name, old: old) { users throws(SecurityPolicyError) in
                try await users.revokeToken(name: name)
            }
            return .done(nil)
        }
    }

    /// Makes the change, and writes down what came of it before anybody hears of it.
    @discardableResult
    private func change<Value: Sendable>(
        _ action: AuditEvent.Action, _ object: String, old: String? = nil, new: String? = nil,
        _ body: (UserStore) async throws(SecurityPolicyError) -> Value
    ) async throws(GatewayError) -> Value {
        let result: Result<Value, SecurityPolicyError>
        do throws(SecurityPolicyError) {
            result = .success(try await body(users))
        } catch {
            result = .failure(error)
        }
        do {
            try await audit.record([event(action, object, old, new, result)])
        } catch {
            throw GatewayError(.refused, "\(told(result)), and it could not be written down: \(error)")
        }
        do {
            return try result.get()
        } catch {
            throw refusal(error)
        }
    }

    private func event<Value>(
        _ action: AuditEvent.Action, _ object: String, _ old: String?, _ new: String?,
        _ result: Result<Value, SecurityPolicyError>
    ) -> AuditEvent {
        // What names something that cannot be is cut: it may be of any length.
        let object = String(object.prefix(AccountDesk.longestObject))
        return switch result {
        case .success: AuditEvent(action, of: object, by: principal, old: old, new: new, outcome: .succeeded)
        case .failure(let error):
            AuditEvent(
                action, of: object, by: principal, old: old, new: new, outcome: .refused,
                reason: String("\(error)".prefix(AccountDesk.longestReason)))
        }
    }

    private func told<Value>(_ result: Result<Value, SecurityPolicyError>) -> String {
        switch result {
        case .success: "the change was made"
        case .failure(let error): "\(error)"
        }
    }

    private func refusal(_ error: SecurityPolicyError) -> GatewayError { GatewayError(.refused, "\(error)") }

    private func text(_ groups: [String]) -> String { groups.joined(separator: ", ") }
}

extension UserReport {
    init(_ user: User) {
        name = user.name
        groups = user.groups
        enabled = !user.isDisabled
        administrator = user.isAdministrator
        createdMilliseconds = user.created.milliseconds
    }
}

extension TokenReport {
    init(_ token: APIToken, at now: Timestamp = .now) {
        name = token.name
        groups = token.groups
        createdMilliseconds = token.created.milliseconds
        expiresMilliseconds = token.expires?.milliseconds
        expired = token.hasExpired(at: now)
    }
}
