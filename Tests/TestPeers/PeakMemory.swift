import FoundationEssentials
import Glibc

/// The most memory that this process had since `begin`.
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

    package static func bytes() throws -> Int {
        let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
        guard let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
            let number = Int(line.filter(\.isNumber))
        else { throw TestPeerError("/proc/self/status has no VmHWM") }
        return number << 10
    }
}
