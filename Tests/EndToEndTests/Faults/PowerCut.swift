import FoundationEssentials
import Glibc
import TestPeers

/// Takes from the outbox what no disk would have after a power cut: everything since the last fsync of each file.
struct PowerCut {
    private let library: PreloadedLibrary
    private var directory: TemporaryDirectory { library.directory }

    init() async throws {
        library = try await PreloadedLibrary("powercut")
        mkdir(directory.file("disk"), 0o700)
    }

    var environment: [String] { library.environment + ["POWERCUT_DIRECTORY=\(directory.file("disk"))"] }

    /// After the process was killed. In place: a file that is another one would be taken for a copy.
    func cut(_ dataDirectory: String) throws {
        for name in ["outbox.sqlite", "outbox.sqlite-wal"] {
            let path = "\(dataDirectory)/\(name)"
            let kept = (try? Data(contentsOf: URL(filePath: directory.file("disk/\(name)")))) ?? Data()
            let file = open(path, O_WRONLY | O_CLOEXEC)
            guard file >= 0 else { continue }
            defer { close(file) }
            let written = kept.withUnsafeBytes { pwrite(file, $0.baseAddress, $0.count, 0) }
            guard written == kept.count, ftruncate(file, off_t(kept.count)) == 0 else {
                throw TestPeerError("\(path) cannot be written")
            }
        }
        unlink("\(dataDirectory)/outbox.sqlite-shm")
    }
}
