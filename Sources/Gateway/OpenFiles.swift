package import GatewayConfiguration
import Glibc
import RESTServerAgent

/// How many files and connections the process may have open, and whether the configuration fits into that.
package struct OpenFiles: Sendable {
    /// More are of no use, and some kernels allow a billion.
    private static let most: rlim_t = 65_536
    /// For databases, the audit log, event loops, the control socket and what is opened for a moment.
    private static let own = 96
    /// The connection, what wakes its thread, and a name that is being looked up.
    private static let ofBroker = 4

    /// Open at a time.
    package let limit: Int

    package init(limit: Int) {
        self.limit = limit
    }

    /// Raises the soft limit to the hard one: the soft one is 1024 on most systems, for programs that are older than
    /// `poll`.
    ///
    /// - Returns: what holds now.
    @discardableResult
    package static func raise() -> OpenFiles {
        var limit = rlimit()
        let resource = __rlimit_resource_t(RLIMIT_NOFILE.rawValue)
        guard getrlimit(resource, &limit) == 0 else { return OpenFiles(limit: Int.max) }
        let wanted = min(limit.rlim_max, most)
        if limit.rlim_cur < wanted {
            limit.rlim_cur = wanted
            // Where it is not allowed the old one goes on.
            _ = setrlimit(resource, &limit)
            _ = getrlimit(resource, &limit)
        }
        return OpenFiles(limit: Int(clamping: limit.rlim_cur))
    }

    /// What the operator should know of a configuration that may need more, nil when all fits.
    package func warning(for configuration: GatewayConfiguration) -> String? {
        let devices = configuration.channels.flatMap(\.devices).count
        var connections = 0
        var brokers = 0
        for agent in configuration.agents where agent.enabled {
            switch agent.options {
            case .mqtt, .restClient: brokers += 1
            case .restServer(let options): connections = connections.addingSaturated(options.limits.connections)
            }
        }
        let left = max(0, limit - OpenFiles.own - devices - brokers * OpenFiles.ofBroker)
        guard connections > left else { return nil }
        return
            "the REST server agents may hold \(connections) connections (limits.connections), but the process may have"
            + " \(limit) files open, which leaves \(left) for them; raise the limit (LimitNOFILE of the systemd unit,"
            + " ulimit -n) or lower limits.connections"
    }
}

extension Int {
    fileprivate func addingSaturated(_ other: Int) -> Int {
        let (sum, overflow) = addingReportingOverflow(other)
        return overflow ? .max : sum
    }
}
