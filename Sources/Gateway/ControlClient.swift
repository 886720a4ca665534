import FoundationEssentials
import Glibc

/// The command line's end of the control socket. Blocking: the command line has nothing else to do.
package final class ControlClient {
    private let descriptor: Int32
    private var buffer: [UInt8] = []

    /// Connects to the gateway that runs on this data directory; nil when none does.
    package init?(dataDirectory: String) throws(GatewayError) {
        let path = DataDirectory.controlSocket(in: dataDirectory)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        guard path.utf8.count < MemoryLayout.size(ofValue: address.sun_path) else { return nil }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
        guard descriptor >= 0 else { throw GatewayError(.control, "no socket: \(DataDirectory.lastError())") }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else {
            let number = errno
            switch number {
            // Nobody listens: no gateway, or one that was killed.
            case ENOENT, ECONNREFUSED, ENOTDIR: return nil
            case EACCES:
                throw GatewayError(.control, "no permission for \(path); run as the user that runs the gateway")
            default: throw GatewayError(.control, "\(path): \(String(cString: strerror(number)))")
            }
        }
    }

    deinit {
        close(descriptor)
    }

    /// Sends the request; replies are read with `next`.
    package func send(_ request: ControlRequest) throws(GatewayError) {
        var line: [UInt8]
        do {
            line = try Array(JSONEncoder().encode(request))
        } catch {
            throw GatewayError(.control, "the request cannot be written: \(error)")
        }
        line.append(0x0A)
        var sent = 0
        while sent < line.count {
            let count = line.withUnsafeBytes { bytes in
                let rest = UnsafeRawBufferPointer(rebasing: bytes[sent...])
                return Glibc.send(descriptor, rest.baseAddress, rest.count, Int32(MSG_NOSIGNAL))
            }
            guard count > 0 else {
                throw GatewayError(.control, "the running gateway closed the connection; is this its user?")
            }
            sent += count
        }
    }

    /// The next reply, waiting for it; nil after the last one. A failure is thrown.
    package func next() throws(GatewayError) -> ControlReply? {
        while true {
            if let end = buffer.firstIndex(of: 0x0A) {
                let line = Data(buffer[..<end])
                buffer.removeSubrange(...end)
                let reply: ControlReply
                do {
                    reply = try JSONDecoder().decode(ControlReply.self, from: line)
                } catch {
                    throw GatewayError(
                        .control, "the running gateway's answer is not known here; is it of another version?")
                }
                switch reply {
                case .failed(let reason): throw GatewayError(.refused, reason)
                case .done(nil): return nil
                default: return reply
                }
            }
            var chunk = [UInt8](repeating: 0, count: 65536)
            let count = recv(descriptor, &chunk, chunk.count, 0)
            guard count > 0 else {
                throw GatewayError(.control, "the running gateway closed the connection before its answer was complete")
            }
            buffer.append(contentsOf: chunk[..<count])
        }
    }
}
