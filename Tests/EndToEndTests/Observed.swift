import Foundation
import TestPeers

/// What the kernel and the process show of a gateway from outside.
enum Observed {
    /// Connections that the server at this port of 127.0.0.1 has accepted and has open with clients at the address, by
    /// `/proc/net/tcp`; with those for a moment that it is about to refuse.
    static func connections(to port: Int, from address: String) async throws -> Int {
        let parts = address.split(separator: ".").compactMap { UInt8($0) }
        let peer = parts.reversed().map { hexadecimal(Int($0), 2) }.joined()
        let local = "0100007F:" + hexadecimal(port, 4)
        // Established; those that have been closed stay in other states for a while. Without an inode it is the kernel's
        // still, which lets clients in before the server has accepted them.
        let program =
            "$2 == local && index($3, peer) == 1 && $4 == \"01\" && $10 != \"0\" { n++ } END { print n + 0 }"
        let count = try await runCommand(
            "awk", ["-v", "local=\(local)", "-v", "peer=\(peer)", program, "/proc/net/tcp"])
        return Int(count.filter(\.isNumber)) ?? 0
    }

    private static func hexadecimal(_ number: Int, _ digits: Int) -> String {
        let text = String(number, radix: 16, uppercase: true)
        return String(repeating: "0", count: max(0, digits - text.count)) + text
    }

    /// KiB that the process has had resident at most.
    static func mostResident(_ process: Int32) throws -> Int {
        let status = try String(contentsOfFile: "/proc/\(process)/status", encoding: .utf8)
        let line = status.split(separator: "\n").first { $0.hasPrefix("VmHWM:") }
        return Int(line?.split(separator: " ").dropFirst().first ?? line?.split(separator: "\t").last ?? "") ?? 0
    }

    static func openFiles(_ process: Int32) throws -> Int {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/fd").count
    }

    /// Hundredths of a second of processor time that the process has used.
    static func processorTime(_ process: Int32) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(process)/stat", encoding: .utf8)
        let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12 else { return 0 }
        return (Int(fields[11]) ?? 0) + (Int(fields[12]) ?? 0)
    }
}
