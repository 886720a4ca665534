/// What keeps the gateway from doing what was asked, in one sentence for the person at the terminal.
package struct GatewayError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: String, Sendable {
        /// The data directory cannot be made, or others may look into it.
        case dataDirectory = "data-directory"
        /// Another process holds the data directory.
        case inUse = "in-use"
        /// The control socket cannot be opened or does not answer as it should.
        case control
        /// The running gateway, or what was asked of the data directory, refuses the request.
        case refused
        /// No gateway runs on this data directory.
        case notRunning = "not-running"
        case configuration
    }

    package let code: Code
    package let reason: String

    package init(_ code: Code, _ reason: String) {
        self.code = code
        self.reason = reason
    }

    package var description: String { reason }
}
