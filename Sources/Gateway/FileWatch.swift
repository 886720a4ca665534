import TLS

/// Tells when files have changed and are not about to change further: certificate and key are two files, and a program
/// that writes them writes one after the other.
struct FileWatch {
    enum Step: Equatable {
        case same
        /// Look again soon: they are being written.
        case settling
        case changed
    }

    /// What is still being written after so long is taken as it is.
    static let mostSettling = Duration.seconds(5)

    private(set) var seen: [String: FileState] = [:]
    private var settling: (files: [String: FileState], since: ContinuousClock.Instant)?

    /// To be told of every look; the first one finds a change, unless there are no files.
    mutating func look(at files: [String: FileState], now: ContinuousClock.Instant) -> Step {
        if files == seen {
            // What has not been read again stands here, so that it need not be read the next time either.
            seen = files
            settling = nil
            return .same
        }
        let since = settling?.since ?? now
        guard settling?.files == files || seen.isEmpty || now - since >= FileWatch.mostSettling else {
            settling = (files, since)
            return .settling
        }
        seen = files
        settling = nil
        return .changed
    }
}
