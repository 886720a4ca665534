import COpenSSL
import Foundation
import Glibc
import Synchronization
import Testing

/// A TLS server on a socket of 127.0.0.1 that shows whatever it is given, one connection after the other, until it goes.
/// To a request of HTTP it answers with an empty page; what else comes is only counted.
final class ForgedServer: Sendable {
    let port: UInt16
    private let listener: Int32
    // Made before the thread begins, and freed when both it and this object are gone.
    private nonisolated(unsafe) let context: OpaquePointer
    private let received = Mutex<[UInt8]>([])

    /// What came after a handshake.
    var bytes: [UInt8] { received.withLock { $0 } }

    init(_ shown: ServerCase.Shown) throws {
        // A client that goes away in the middle of a handshake must not end the tests.
        signal(SIGPIPE, SIG_IGN)
        context = try #require(SSL_CTX_new(TLS_server_method()))
        SSL_CTX_set_security_level(context, 0)
        try #require(SSL_CTX_use_certificate(context, shown.leaf.certificate) == 1)
        for issuer in shown.chain {
            try #require(sallyport_add_chain_certificate(context, issuer.certificate) == 1)
        }
        try #require(SSL_CTX_use_PrivateKey(context, shown.leaf.key) == 1)
        listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let listener = listener
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { generic in
                bind(listener, generic, length) == 0 && listen(listener, 16) == 0
                    && getsockname(listener, generic, &length) == 0
            }
        }
        port = UInt16(bigEndian: address.sin_port)
        try #require(isBound)
        let thread = Thread { [weak self] in
            while true {
                let connection = accept(listener, nil, nil)
                guard connection >= 0 else { break }
                self?.serve(connection)
                close(connection)
            }
            // Here alone: closed by another it could be somebody else's by the next `accept`.
            close(listener)
        }
        thread.start()
    }

    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        SSL_CTX_free(context)
    }

    private func serve(_ connection: Int32) {
        var patience = timeval(tv_sec: 5, tv_usec: 0)
        setsockopt(connection, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        guard let tls = SSL_new(context) else { return }
        defer { SSL_free(tls) }
        SSL_set_fd(tls, connection)
        guard SSL_accept(tls) == 1 else { return ERR_clear_error() }
        var buffer = [UInt8](repeating: 0, count: 4096)
        while true {
            let count = SSL_read(tls, &buffer, Int32(buffer.count))
            guard count > 0 else { break }
            received.withLock { $0 += buffer.prefix(Int(count)) }
            if buffer.starts(with: Array("GET ".utf8)) {
                let answer = Array("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".utf8)
                SSL_write(tls, answer, Int32(answer.count))
                SSL_shutdown(tls)
                break
            }
        }
        ERR_clear_error()
    }
}
