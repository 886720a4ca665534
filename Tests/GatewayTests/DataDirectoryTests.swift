import Gateway
import Glibc
import TestPeers
import Testing

@Suite("Data directory", .timeLimit(.minutes(1)))
struct DataDirectoryTests {
    private func mode(_ path: String) -> mode_t {
        var status = stat()
        return stat(path, &status) == 0 ? status.st_mode & 0o777 : 0
    }

    @Test("is made with what is missing above it, for its owner alone")
    func made() throws {
        let temporary = try TemporaryDirectory()
        let path = temporary.file("a/b/data")
        let directory = try DataDirectory(path: path)
        #expect(mode(path) == 0o700)
        #expect(mode(path + "/lock") == 0o600)
        withExtendedLifetime(directory) {}
    }

    @Test("is taken by one process at a time, and free again when that one is gone")
    func lock() throws {
        let temporary = try TemporaryDirectory()
        do {
            let first = try DataDirectory(path: temporary.file("data"))
            #expect {
                try DataDirectory(path: temporary.file("data"))
            } throws: { error in
                (error as? GatewayError)?.code == .inUse && "\(error)".contains("process \(getpid())")
            }
            withExtendedLifetime(first) {}
        }
        _ = try DataDirectory(path: temporary.file("data"))
    }

    @Test("one that others may look into is refused and left as it is; so is a file in its place")
    func modes() throws {
        let temporary = try TemporaryDirectory()
        let open = temporary.file("open")
        mkdir(open, 0o755)
        #expect(throws: GatewayError.self) { try DataDirectory(path: open) }
        #expect(mode(open) == 0o755)
        let file = try temporary.write("x", to: "file")
        #expect(throws: GatewayError.self) { try DataDirectory(path: file) }
    }
}
