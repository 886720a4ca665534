import FoundationEssentials
import Gateway
import GatewayConfiguration
import Glibc
import SecurityPolicy
import TLS

/// Certificates: through the running gateway where one runs, so that a change is served at once; else on the files
/// themselves, under the data directory's lock when something is to change.
struct CertificateAccess {
    private let path: ConfigurationPath
    private let outcome: ConfigurationOutcome
    private let directory: String
    let isRunning: Bool

    /// A file with errors will do: the certificate that is to be imported may be what is missing.
    init(_ path: ConfigurationPath) throws {
        self.path = path
        outcome = GatewayConfiguration.load(path: path.path, environment: ProcessInfo.processInfo.environment)
        guard let directory = outcome.dataDirectory else {
            for problem in outcome.errors { Terminal.complain(problem.description) }
            throw Failure.usage()
        }
        self.directory = directory
        isRunning = try ControlClient(dataDirectory: directory) != nil
    }

    func perform(_ request: CertificateRequest) async throws -> ControlReply {
        if isRunning, let client = try ControlClient(dataDirectory: directory) {
            try client.send(.certificate(request))
            return try client.next() ?? .done(nil)
        }
        guard let configuration = outcome.readable else { throw Failure.usage() }
        switch request {
        case .show, .export:
            let desk = CertificateDesk(
                configuration: configuration, dataDirectory: directory, audit: nil, by: localOperator())
            return try await told(request, desk)
        default:
            let lock = try DataDirectory(path: directory)
            defer { withExtendedLifetime(lock) {} }
            let audit = try await AuditLog.open(dataDirectory: lock.path, options: configuration.audit)
            let desk = CertificateDesk(
                configuration: configuration, dataDirectory: lock.path, audit: audit, by: localOperator())
            return try await told(request, desk)
        }
    }

    /// An identity that the file does not have because of its errors is not to look like a mistake in the call.
    private func told(_ request: CertificateRequest, _ desk: CertificateDesk) async throws -> ControlReply {
        do {
            return try await desk.perform(request)
        } catch {
            for problem in outcome.errors { Terminal.complain(problem.description) }
            throw error
        }
    }

    /// Reads what is to be imported. Who cannot be read is written down.
    ///
    /// - Parameter passwordFile: of the files that need a password; nil: it is asked for.
    func bundle(
        of files: [String], identity: String, passwordFile: String?
    ) async throws -> (certificates: [Data], keys: [Data]) {
        do throws(TLSError) {
            var password = try passwordFile.map { path throws(TLSError) in try Secret(file: path) }
            var bundle = CertificateBundle()
            for file in files {
                do throws(TLSError) {
                    try bundle.read(path: file, password: password)
                } catch {
                    guard error.code == .password, password == nil else { throw error }
                    password = try asked(for: file)
                    try bundle.read(path: file, password: password)
                }
            }
            return (bundle.certificates.map { Data($0) }, bundle.keys.map { Data($0.bytes) })
        } catch {
            let reason = "\(error)"
            do {
                _ = try await perform(.unreadable(identity: identity, reason: reason))
            } catch {
                throw Failure.failed(
                    reason + "; nothing was changed. The audit log could not be told of it: \(error)")
            }
            throw Failure.failed(reason + "; nothing was changed")
        }
    }

    private func asked(for file: String) throws(TLSError) -> Secret {
        do {
            return Secret(try Terminal.password(of: file))
        } catch {
            throw TLSError(.password, path: file, reason: "its password is needed: give it with --password-file FILE")
        }
    }
}

extension Secret {
    /// The file's bytes, without one newline at the end: `\n` or `\r\n`, as in the configuration.
    fileprivate init(file: String) throws(TLSError) {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw TLSError(.file, path: file, reason: "cannot be opened: \(String(cString: strerror(errno)))")
        }
        defer { close(descriptor) }
        // It may be a pipe; what is longer is no password.
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while bytes.count <= 4096 {
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        guard (1...4096).contains(bytes.count) else {
            throw TLSError(.file, path: file, reason: "holds no password of 1 to 4096 bytes")
        }
        if bytes.last == 0x0A {
            bytes.removeLast()
            if bytes.last == 0x0D { bytes.removeLast() }
        }
        self.init(bytes: bytes)
    }
}
