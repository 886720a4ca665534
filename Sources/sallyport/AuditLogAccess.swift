import FoundationEssentials
import Gateway
import GatewayConfiguration
import Glibc
import SecurityPolicy
import Tags

/// The audit log of a configuration: through the gateway that runs on it, or from its files.
struct AuditLogAccess {
    private let client: ControlClient?
    private let directory: String

    init(_ path: ConfigurationPath) throws {
        directory = try path.dataDirectory()
        client = try ControlClient(dataDirectory: directory)
    }

    private var reader: AuditReader { AuditReader(dataDirectory: directory) }

    func show(_ filter: AuditFilter, _ take: ([AuditEntry]) throws -> Void) throws {
        guard let client else { return try take(try reader.entries(filter)) }
        try client.send(.auditLog(.show(filter)))
        while case .auditEntries(let entries)? = try client.next() { try take(entries) }
    }

    /// Lines with their ends; none when there are no entries.
    func export(_ since: Timestamp?, _ until: Timestamp?, _ take: ([UInt8]) throws -> Void) throws {
        guard let client else {
            _ = try reader.export(since: since, until: until, take)
            return
        }
        try client.send(.auditLog(.export(since: since?.microseconds, until: until?.microseconds)))
        while case .auditLines(let lines)? = try client.next() {
            for line in lines { try take(Array(line.utf8) + [0x0A]) }
        }
    }

    func head() async throws -> AuditHead {
        if let client {
            try client.send(.auditLog(.head))
            guard case .auditHead(let head)? = try client.next() else {
                throw Failure.failed("the running gateway gave no head")
            }
            return head
        }
        let lock = try DataDirectory(path: directory)
        defer { withExtendedLifetime(lock) {} }
        // Bounds that no log reaches: whoever asks for a head wants nothing exported, and the configuration may be wrong.
        let bounds = AuditOptions(maximumBytes: 1 << 44, maximumAge: .seconds(36_500 * 86_400), reserve: 0)
        let log = try await AuditLog.open(dataDirectory: directory, options: bounds)
        let head = try await log.head()
        await log.close()
        return head
    }

    func verify(_ heads: [AuditHead], _ keys: [String]) throws -> AuditVerification {
        guard let client else { return try reader.verify(heads: heads, trustedKeys: keys) }
        try client.send(.auditLog(.verify(heads: heads, trustedKeys: keys)))
        guard case .auditVerification(let result)? = try client.next() else {
            throw Failure.failed("the running gateway gave no answer")
        }
        return result
    }

    static func readHead(_ file: String) throws -> AuditHead {
        guard let data = try? Data(contentsOf: URL(filePath: file)) else {
            throw Failure.usage("the head \(file) cannot be read")
        }
        guard data.count < 65_536, let head = try? JSONDecoder().decode(AuditHead.self, from: data) else {
            throw Failure.usage("\(file) is no head; audit-log export --head makes one")
        }
        return head
    }
}

extension ConfigurationPath {
    /// Of the configuration, even where something else in it is wrong.
    func dataDirectory() throws -> String {
        let outcome = GatewayConfiguration.load(path: path, environment: ProcessInfo.processInfo.environment)
        guard let directory = outcome.dataDirectory else {
            for problem in outcome.errors { Terminal.complain(problem.description) }
            throw Failure.usage()
        }
        return directory
    }
}

/// A file that was not there before, for its owner alone, gone again unless it is finished.
final class NewFile {
    private let path: String
    private let descriptor: Int32
    private var isFinished = false
    private var buffer: [UInt8] = []

    init(_ path: String) throws {
        self.path = path
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else {
            throw Failure.failed("\(path) cannot be made: \(String(cString: strerror(errno)))")
        }
    }

    deinit {
        // One that could not be made is somebody else's: a throwing initialiser ends here too.
        guard descriptor >= 0 else { return }
        close(descriptor)
        if !isFinished { unlink(path) }
    }

    func append(_ bytes: [UInt8]) throws {
        buffer += bytes
        if buffer.count > 1 << 18 { try flush() }
    }

    func finish() throws {
        try flush()
        guard fsync(descriptor) == 0 else { throw failure() }
        isFinished = true
    }

    private func flush() throws {
        var rest = buffer[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
            guard count > 0 else { throw failure() }
            rest = rest.dropFirst(count)
        }
        buffer = []
    }

    private func failure() -> Failure {
        Failure.failed("\(path) cannot be written: \(String(cString: strerror(errno)))")
    }
}
