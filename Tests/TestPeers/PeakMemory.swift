import FoundationEssentials
import Glibc

/// The most memory that a process had: this one since `begin`, another one since it started.
package enum PeakMemory {
    /// The kernel counts anew from here: what an earlier test needed is in nobody's way.
    ///
    /// - Returns: bytes that are in memory now.
    package static func begin() throws -> Int {
        let file = open("/proc/self/clear_refs", O_WRONLY | O_CLOEXEC)
        defer { close(file) }
        guard file >= 0, write(file, "5", 1) == 1 else {
            throw TestPeerError("/proc/self/clear_refs cannot be written")
        }
        return try bytes()
    }

    /// - Parameter process: its identifier; nil: this one.
    package static func bytes(of process: Int32? = nil) throws -> Int {
        let path = "/proc/\(process.map { "\($0)" } ?? "self")/status"
        let status = try String(contentsOfFile: path, encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let number = Int(line.filter(\.isNumber))
        else { throw TestPeerError("\(path) has no VmHWM") }
        return number << 10
    }
}
