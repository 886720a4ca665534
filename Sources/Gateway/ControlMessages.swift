package import Drivers
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
}

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

/// What comes back: any number of lines, the last one `done` or `failed`.
package enum ControlReply: Codable, Sendable, Equatable {
    case status(StatusReport)
    case devices([DeviceReport])
    case trace(TraceReport)
    case tags([TagReport])
    /// So many changes came faster than they were read.
    case missed(Int)
    case users([UserReport])
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

    package var name: String
    package var process: Int32
    package var tags: Int
    package var startedMilliseconds: Int64
    package var agents: [Agent]
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

package struct UserReport: Codable, Sendable, Equatable {
    package var name: String
    package var groups: [String]
    package var enabled: Bool
    package var administrator: Bool
    package var createdMilliseconds: Int64
}
