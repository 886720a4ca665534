import TestPeers

/// A disk under the outbox that fails when it is told to.
struct FaultyDisk {
    enum Fault: String, CaseIterable {
        /// Writing fails.
        case eio
        /// Reading fails as well.
        case dead
        /// As after a kernel that remounted a file system with errors.
        case readonly
        case slow = "slow 400"
    }

    private let library: PreloadedLibrary

    init() async throws {
        library = try await PreloadedLibrary("faultydisk")
        try mend()
    }

    var environment: [String] { library.environment + ["FAULTYDISK_MODE=\(library.directory.file("mode"))"] }

    func fail(_ fault: Fault) throws { try library.directory.write(fault.rawValue, to: "mode") }
    func mend() throws { try library.directory.write("", to: "mode") }
}
