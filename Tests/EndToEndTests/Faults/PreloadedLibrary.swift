import Subprocess
import TestPeers

/// A C file beside this one, made into a library that stands between the gateway and the C library.
struct PreloadedLibrary {
    let directory: TemporaryDirectory
    private let library: String

    init(_ name: String) async throws {
        directory = try TemporaryDirectory()
        library = directory.file("\(name).so")
        // The compiler that the Swift toolchain brings.
        let result = try await run(
            .name("clang"),
            arguments: [
                "-shared", "-fPIC", "-O1", "-o", library, "\(packageRoot)/Tests/EndToEndTests/Faults/\(name).c", "-ldl",
            ], input: .none, output: .discarded, error: .string(limit: 65_536))
        guard result.terminationStatus.isSuccess else {
            throw TestPeerError("\(name).c cannot be compiled: \(result.standardError)")
        }
    }

    var environment: [String] { ["LD_PRELOAD=\(library)"] }
}
