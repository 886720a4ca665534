import GatewayConfiguration
import SecurityPolicy

extension Gateway {
    /// Answers what the command line asks about certificates. What it has changed is served at once.
    nonisolated func certificates(_ request: CertificateRequest, by principal: Principal) async throws -> ControlReply {
        let reply = try await change(certificates: request, by: principal)
        if case .certificateChange(let change) = reply, change.isChanged { await refreshCertificates() }
        return reply
    }

    private func change(
        certificates request: CertificateRequest, by principal: Principal
    ) async throws -> ControlReply {
        await enterChange()
        defer { leaveChange() }
        guard let configuration else {
            throw GatewayError(.refused, "the gateway has no configuration yet; try again")
        }
        let desk = CertificateDesk(
            configuration: configuration, dataDirectory: dataDirectory.path, audit: audit, by: principal)
        return try await desk.perform(request)
    }
}
