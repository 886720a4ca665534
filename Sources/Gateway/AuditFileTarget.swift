import Glibc
package import SecurityPolicy

/// Appends entries to a file, one line of JSON each. Opened anew for every batch, so that a file that was moved away by
/// `logrotate` is left alone.
package struct AuditFileTarget: AuditTarget {
    let path: String

    package init(path: String) {
        self.path = path
    }

    package func send(_ entries: [AuditEntry]) async throws {
        let path = path
        try await offPool {
            let descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard descriptor >= 0 else { throw GatewayError(.control, "\(path): \(DataDirectory.lastError())") }
            defer { Glibc.close(descriptor) }
            var bytes: [UInt8] = []
            for entry in entries { bytes += try AuditExport.line(entry) }
            var rest = bytes[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw GatewayError(.control, "\(path): \(DataDirectory.lastError())") }
                rest = rest.dropFirst(count)
            }
            guard fdatasync(descriptor) == 0 else {
                throw GatewayError(.control, "\(path): \(DataDirectory.lastError())")
            }
        }
    }

    package func close() async {}
}
