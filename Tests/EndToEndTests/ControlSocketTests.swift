import Glibc
import TestPeers
import Testing

/// A raw client of the control socket, in the hands of somebody unfriendly.
private struct RawControl {
    let descriptor: Int32

    init(_ path: String) throws {
        descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
        let code = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
            }
        }
        guard code == 0 else { throw TestPeerError("no control socket: errno \(errno)") }
        var limit = timeval(tv_sec: 10, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    func send(_ bytes: [UInt8]) { _ = Glibc.send(descriptor, bytes, bytes.count, Int32(MSG_NOSIGNAL)) }

    /// What comes until the other side closes.
    func answer() -> String {
        var all: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        while case let count = recv(descriptor, &chunk, chunk.count, 0), count > 0 { all += chunk[..<count] }
        return String(decoding: all, as: UTF8.self)
    }

    func hangUp() { close(descriptor) }
}

@Suite("Control socket", .serialized, .timeLimit(.minutes(2)))
struct ControlSocketTests {
    @Test("is for its owner alone, and lives through garbage, silence, floods and clients that hang up")
    func hostile() async throws {
        let plant = try await PlantConfiguration(restPort: try freePort()).plant()
        try await plant.running { gateway in
            let path = "\(plant.dataDirectory)/control.sock"
            var status = stat()
            #expect(stat(path, &status) == 0 && status.st_mode & 0o777 == 0o600)

            for garbage in ["\n", "{}\n", "null\n", "[[[[[[\n", #"{"status":{"x":1}}"# + "x\n"] {
                let client = try RawControl(path)
                client.send(Array(garbage.utf8))
                #expect(client.answer().contains("failed"), "\(garbage)")
                client.hangUp()
            }
            let binary = try RawControl(path)
            binary.send([0xFF, 0xFE, 0x00, 0x0A])
            #expect(binary.answer().contains("failed"))
            binary.hangUp()

            // Longer than any request, without an end: closed, not collected.
            let endless = try RawControl(path)
            for _ in 0..<40 { endless.send([UInt8](repeating: 0x5B, count: 65536)) }
            #expect(endless.answer().isEmpty)
            endless.hangUp()

            // Watchers that leave without a word.
            for _ in 0..<20 {
                let watcher = try RawControl(path)
                watcher.send(Array(#"{"watch":{"tags":["**"]}}"#.utf8) + [0x0A])
                watcher.hangUp()
            }
            // More silent ones than there is room for; they are thrown out, and then others are heard.
            let silent = try (0..<40).map { _ in try RawControl(path) }
            let list = try await eventually(within: .seconds(15), "an answer") {
                let list = try await plant.command("user", "list")
                return list.code == 0 ? list : nil
            }
            #expect(list.output.contains("viewer"))
            silent.forEach { $0.hangUp() }
            #expect(kill(gateway.processIdentifier, 0) == 0)
        }
    }
}
