/// Why the audit log cannot take or give an entry, for people.
package enum AuditError: Error, Equatable, CustomStringConvertible {
    /// Even the reserve is used up, or the disk is full.
    case full(path: String, reason: String)
    case database(path: String, reason: String)

    package var description: String {
        switch self {
        case .full(let path, let reason): "the audit log \(path) is full: \(reason)"
        case .database(let path, let reason): "the audit log \(path) cannot be used: \(reason)"
        }
    }
}
