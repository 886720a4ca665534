import Gateway
import GatewayConfiguration
import SecurityPolicy

/// Users and tokens: through the running gateway where one runs, so that a change counts at once; else on the data
/// directory itself.
enum Accounts {
    static func perform(_ request: UserRequest, _ configuration: GatewayConfiguration) async throws -> ControlReply {
        try await perform(.user(request), configuration) { try await $0.perform(request) }
    }

    static func perform(_ request: TokenRequest, _ configuration: GatewayConfiguration) async throws -> ControlReply {
        try await perform(.token(request), configuration) { try await $0.perform(request) }
    }

    /// Where a gateway runs, a mistake in the file keeps nobody from locking somebody out.
    static func perform(_ request: UserRequest, _ path: ConfigurationPath) async throws -> ControlReply {
        if let reply = try ask(.user(request), try path.dataDirectory()) { return reply }
        return try await perform(request, try path.load())
    }

    static func perform(_ request: TokenRequest, _ path: ConfigurationPath) async throws -> ControlReply {
        if let reply = try ask(.token(request), try path.dataDirectory()) { return reply }
        return try await perform(request, try path.load())
    }

    /// nil when no gateway runs.
    private static func ask(_ request: ControlRequest, _ dataDirectory: String) throws -> ControlReply? {
        guard let client = try ControlClient(dataDirectory: dataDirectory) else { return nil }
        try client.send(request)
        return try client.next() ?? .done(nil)
    }

    private static func perform(
        _ request: ControlRequest, _ configuration: GatewayConfiguration,
        alone: (AccountDesk) async throws -> ControlReply
    ) async throws -> ControlReply {
        if let reply = try ask(request, configuration.dataDirectory) { return reply }
        let directory = try DataDirectory(path: configuration.dataDirectory)
        defer { withExtendedLifetime(directory) {} }
        let users = try await UserStore.open(
            dataDirectory: directory.path, minimumPasswordLength: configuration.minimumPasswordLength)
        let audit = try await AuditLog.open(dataDirectory: directory.path, options: configuration.audit)
        return try await alone(AccountDesk(users: users, audit: audit, by: localOperator()))
    }

    /// The groups as the configuration writes them; refuses those that it does not have.
    static func configured(_ groups: [String], in configuration: GatewayConfiguration) throws -> [String] {
        let known = PolicySnapshot(groups: configuration.groups).groupNames
        return try groups.map { group in
            guard let name = known.first(where: { sameName($0, group) }) else {
                throw Failure.usage(
                    "there is no group \(group) in the configuration; there are: \(known.joined(separator: ", "))")
            }
            return name
        }
    }

    static func missing(from groups: [String], in configuration: GatewayConfiguration) -> [String] {
        let policy = PolicySnapshot(groups: configuration.groups)
        return groups.filter { !policy.hasGroup($0) }
    }

    /// `operators, night shift (gone)`.
    static func text(_ groups: [String], missing: [String]) -> String {
        groups.map { missing.contains($0) ? "\($0) (gone)" : $0 }.joined(separator: ", ")
    }
}
