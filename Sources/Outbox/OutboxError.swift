/// Why something cannot be done with the outbox.
package struct OutboxError: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Code: Sendable, Equatable {
        /// Written by a newer version: it stays as it is.
        case newer
        /// No database, or one whose parts do not fit together.
        case damaged
        /// Something is not there that should be; what is known of it is to be read again.
        case inconsistent
        /// Read-only, an I/O error: it may be better in a while.
        case unavailable
        /// No room, which may be better in a while and leaves the connection as it was.
        case full
        case noSuchAgent
        case noSuchMessage
        /// The agent runs.
        case inUse
        case closed
    }

    package let code: Code
    package let description: String

    package init(_ code: Code, _ description: String) {
        self.code = code
        self.description = description
    }
}
