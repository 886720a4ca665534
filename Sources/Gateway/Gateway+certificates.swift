import GatewayConfiguration

extension Gateway {
    /// Has every agent serve what lies in the files now; connections that are open go on.
    func refreshCertificates() async {
        await enterChange()
        defer { leaveChange() }
        for agent in configuration?.agents ?? [] where agent.enabled { await refresh(agent) }
    }
}
