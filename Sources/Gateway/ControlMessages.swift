package import Drivers
package import FoundationEssentials
package import Outbox
package import SecurityPolicy
package import TLS
import Tags

/// What the command line asks of a running gateway: one JSON object on one line of `control.sock`.
package enum ControlRequest: Codable, Sendable, Equatable {
    case status
    case devices(name: String?)
    case trace(device: String)
    case browse(pattern: String)
    case read(tags: [String])
    case watch(tags: [String])
    case user(UserRequest)
    case token(TokenRequest)
    case certificate(CertificateRequest)
    /// The policy in force, then the names of all tags.
    case policy
    case write(WriteCommand)
    case auditLog(AuditLogRequest)
    case outbox(OutboxRequest)
}

/// A write from the terminal, by a user: the local operator may not write. `value` is taken as its text.
package struct WriteCommand: Codable, Sendable, Equatable {
    package var user: String
    package var password: String
    package var tag: String
    package var value: String

    package init(user: String, password: String, tag: String, value: String) {
        self.user = user
        self.password = password
        self.tag = tag
        self.value = value
    }
}

/// What comes back: any number of lines, the last one `done` or `failed`.
package enum ControlReply: Codable, Sendable, Equatable {
    case status(StatusReport)
    case devices([DeviceReport])
    case trace(TraceReport)
    case tags([TagReport])
    /// So many changes came faster than they were read.
    case missed(Int)
    case users([UserReport])
    case policy(PolicyReport)
    /// Names of tags, and once more those of them that are read-only.
    case names([String], readOnly: [String])
    case verdict(VerdictReport)
    case tokens([TokenReport])
    case certificates([IdentityDescription])
    case certificateChange(CertificateChange)
    case signingRequest(SigningRequestReport)
    /// DER, leaf first.
    case certificateChain([Data])
    /// A new token, told this once.
    case secret(String)
    case auditEntries([AuditEntry])
    /// Of an export, without their ends.
    case auditLines([String])
    case auditHead(AuditHead)
    case auditVerification(AuditVerification)
    case outbox(OutboxOverview)
    case deadLetters([DeadLetterSummary])
    /// Of long work: so many messages, and so many are left.
    case outboxProgress(done: Int, left: Int)
    case done(String?)
    case failed(String)
}

package struct StatusReport: Codable, Sendable, Equatable {
    package struct Agent: Codable, Sendable, Equatable {
        package var name: String
        package var type: String
        package var state: String
        package var details: String
        package var lastError: String?
    }

    package struct Certificate: Codable, Sendable, Equatable {
        /// `server`, `client`, `authority` or `revocation-list`.
        package var role: String
        /// Of the identity, or the file's path.
        package var name: String
        package var agents: [String]
        package var validUntilMilliseconds: Int64
        /// Whole days, rounded down; below zero once it has ended.
        package var daysLeft: Int
    }

    package var name: String
    package var process: Int32
    package var tags: Int
    package var startedMilliseconds: Int64
    package var agents: [Agent]
    package var certificates: [Certificate]
    package var devices: [DeviceReport]
}

package struct DeviceReport: Codable, Sendable, Equatable {
    package var name: String
    package var driver: String
    package var endpoint: String
    package var state: String
    package var tags: Int
    package var requests: UInt64
    package var failures: UInt64
    package var timeouts: UInt64
    package var exceptions: UInt64
    package var reconnects: UInt64
    package var lastPollMilliseconds: Double?
    package var lastGoodMilliseconds: Int64?
    package var lastError: String?
    package var lastErrorMilliseconds: Int64?

    package init(_ status: DeviceStatus) {
        name = status.name
        driver = status.driver
        endpoint = status.endpoint
        state = status.state.rawValue
        tags = status.tags
        requests = status.requests
        failures = status.failures
        timeouts = status.timeouts
        exceptions = status.exceptions
        reconnects = status.reconnects
        lastPollMilliseconds = status.lastPoll.map { $0 / .milliseconds(1) }
        lastGoodMilliseconds = status.lastGood?.milliseconds
        lastError = status.lastError
        lastErrorMilliseconds = status.lastErrorTime?.milliseconds
    }
}

package struct TraceReport: Codable, Sendable, Equatable {
    package var timeMilliseconds: Int64
    package var direction: String
    package var text: String
    package var bytes: [UInt8]

    package init(_ entry: TraceEntry) {
        timeMilliseconds = entry.time.milliseconds
        direction = entry.direction.rawValue
        text = entry.text
        bytes = entry.bytes
    }
}

/// One tag for the terminal. `value` is its JSON text, nil for browsing.
package struct TagReport: Codable, Sendable, Equatable {
    package var name: String
    package var type: String
    package var access: String
    package var unit: String?
    package var description: String?
    package var value: String?
    package var quality: String?
    package var timeMilliseconds: Int64?
}

/// What became of a write, as SURFACE names it.
package struct VerdictReport: Codable, Sendable, Equatable {
    package var id: String
    /// applied, rejected or unknown.
    package var verdict: String
    /// Of a rejection.
    package var code: String?
    package var reason: String
}
