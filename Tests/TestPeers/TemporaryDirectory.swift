import FoundationEssentials
import Glibc

/// A directory of one test's own, mode 0700, gone with its last reference.
package final class TemporaryDirectory: Sendable {
    /// Absolute, without a slash at the end.
    package let path: String

    package init() throws {
        let base = FileManager.default.temporaryDirectory.path
        var template = Array("\(base)/sallyport-test-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw TestPeerError("no directory under \(base): errno \(errno)") }
        path = String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    deinit {
        // A test that left something unremovable behind has failed for a reason of its own.
        try? FileManager.default.removeItem(atPath: path)
    }

    /// The path of a file in it.
    package func file(_ name: String) -> String { "\(path)/\(name)" }

    /// Writes a file into it and gives its path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        let path = file(name)
        try Data(text.utf8).write(to: URL(filePath: path))
        return path
    }
}

/// The directory that holds Package.swift, without a slash at the end.
package let packageRoot: String = {
    // …/Tests/TestPeers/TemporaryDirectory.swift
    var parts = #filePath.split(separator: "/", omittingEmptySubsequences: false)
    parts.removeLast(3)
    return parts.joined(separator: "/")
}()
