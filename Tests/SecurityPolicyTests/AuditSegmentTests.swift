import Foundation
import GRDB
import Glibc
import Tags
import Testing

@testable import SecurityPolicy

@Suite("Size and age of the audit log", .serialized, .timeLimit(.minutes(3)))
struct AuditSegmentTests {
    static let small = AuditOptions(maximumBytes: 1 << 20, reserve: 1 << 18)

    @Test("the oldest entries are exported, and the chain goes on from the files into the database")
    func rotation() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open(Self.small)
        let early = try await log.head()
        for part in 0..<40 { try await log.record((0..<250).map { AuditFixture.write(part * 250 + $0) }) }
        try await eventually("room") { try fixture.number("SELECT count(*) FROM entries") < 6000 }
        await log.close()

        let files = try fixture.exported
        #expect(files.count >= 2)
        let result = try fixture.reader.verify(heads: [early])
        #expect(result.isIntact, "\(result.problems)")
        #expect(result.checkpoints == files.count)
        #expect(result.notes.isEmpty, "\(result.notes)")
        #expect(result.last == 10_002)
        // Every entry is in exactly one place.
        var next: Int64 = 1
        for file in files {
            let part = try AuditExport.verify(path: file)
            #expect(part.isIntact && part.first == next, "\(part.problems)")
            next = part.last + 1
        }
        #expect(result.first == next)
        let bytes = try FileManager.default.attributesOfItem(atPath: fixture.database)[.size] as? Int
        #expect((bytes ?? .max) <= 1 << 20)

        // A file that is not the one that was written.
        let text = try String(contentsOfFile: files[0], encoding: .utf8)
        try text.replacingOccurrences(of: "Valve17\"", with: "Valve18\"").write(
            toFile: files[0], atomically: true, encoding: .utf8)
        let changed = try fixture.reader.verify()
        #expect(changed.problems.first?.kind == .file)
        #expect(changed.problems.first?.text.contains("does not match its hash") == true)
        // One that was put elsewhere is no fault.
        try FileManager.default.removeItem(atPath: files[0])
        let gone = try fixture.reader.verify()
        #expect(gone.isIntact && gone.notes.count == 1)
    }

    @Test("a new log's files do not take the place of those of the log before")
    func filesOfAnotherChain() async throws {
        let fixture = try AuditFixture()
        try await fixture.fill(50)
        let key = try AuditKey.open(dataDirectory: fixture.path).key
        let first = try fixture.reader.exportSegment(1...20, key: key)
        // Again, as after a crash: the same file.
        let old = try fixture.reader.exportSegment(1...20, key: key)
        #expect(old.file == first.file)
        for suffix in ["", "-wal", "-shm"] { try? FileManager.default.removeItem(atPath: fixture.database + suffix) }
        try await fixture.fill(50)
        let new = try fixture.reader.exportSegment(1...20, key: key)
        #expect(new.chain != old.chain)
        #expect(new.file != old.file)
        #expect(try fixture.exported.count == 2)
        for file in try fixture.exported { #expect(try AuditExport.verify(path: file).isIntact) }
        #expect(try AuditExport.digest(path: fixture.path + "/audit-exported/" + old.file) == old.fileHash)
    }

    @Test("exported files are followed by themselves: changed, shortened, lengthened, cut")
    func files() async throws {
        let fixture = try AuditFixture()
        try await fixture.fill(50)
        var bytes: [UInt8] = []
        let range = try fixture.reader.export { bytes += $0 }
        #expect(range == 1...52)
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
        let path = fixture.path + "/export.jsonl"
        func verify(_ lines: [String]) throws -> [AuditVerification.Problem.Kind] {
            try (lines.joined(separator: "\n") + "\n").write(toFile: path, atomically: true, encoding: .utf8)
            return try AuditExport.verify(path: path).problems.map(\.kind)
        }
        #expect(try verify(lines) == [])
        #expect(try verify(lines.map { $0.replacingOccurrences(of: "Valve7\"", with: "Valve8\"") }) == [.changed])
        #expect(try verify(Array(lines[..<20] + lines[21...])).first == .removed)
        #expect(try verify(Array(lines.dropLast())) == [.truncated])
        #expect(try verify(Array(lines.dropLast(3)) + Array(lines.suffix(1))).contains(.truncated))
        #expect(try verify(lines + [lines[5]]).first == .changed)
        #expect(try verify(Array(lines[..<9]) + ["{}"] + Array(lines[9...])).first == .changed)
        #expect(throws: AuditError.self) { _ = try verify(["{}"]) }
        #expect(throws: AuditError.self) { _ = try verify([lines[0], String(repeating: "x", count: 200_000)]) }
        var last = try #require(lines.last)
        last = last.replacingOccurrences(of: "\"signature\":\"", with: "\"signature\":\"0")
        #expect(try verify(Array(lines.dropLast()) + [last]).contains(.signature))
    }

    @Test("what is older than max-age is exported")
    func age() async throws {
        let fixture = try AuditFixture()
        let log = try await fixture.open(AuditOptions(maximumAge: .seconds(3600)))
        var old = AuditFixture.write(1)
        old.time = Timestamp(microseconds: Timestamp.now.microseconds - 7200 * 1_000_000)
        try await log.record([old, AuditFixture.write(2)])
        // The start's own entries are young, and nothing overtakes them.
        #expect(try fixture.exported.isEmpty)
        await log.close()

        let second = try AuditFixture()
        let aged = try await second.open()
        try await aged.record([AuditFixture.write(1), AuditFixture.write(2)])
        aged.update(options: AuditOptions(maximumAge: .zero))
        try await eventually("an export") { try !second.exported.isEmpty }
        try await aged.record(AuditFixture.write(3))
        await aged.close()
        #expect(try second.reader.verify().isIntact)
    }

    @Test("a full log takes no notes, then the reserve serves what is recorded, then nothing; room mends it")
    func reserve() async throws {
        let fixture = try AuditFixture()
        // Exports cannot be made: their folder is a file.
        let blocker = fixture.path + "/audit-exported"
        _ = FileManager.default.createFile(atPath: blocker, contents: nil)
        let log = try await fixture.open(Self.small)
        let part = (0..<100).map { AuditFixture.write($0, reason: String(repeating: "x", count: 400)) }
        var noted = 0
        while log.status.dropped == 0, noted < 1000 {
            try await log.record(part)
            log.note(AuditFixture.write(noted))
            try? await log.flush()
            noted += 1
        }
        #expect(noted < 1000)
        // Notes are refused, and still there is room for what counts.
        try await log.record(part)
        var full: AuditError?
        for _ in 0..<100 where full == nil {
            do { try await log.record(part) } catch { full = error }
        }
        guard case .full? = full else {
            Issue.record("\(String(describing: full))")
            return
        }
        #expect(log.status.failure != nil)
        let before = try fixture.reader.verify()
        #expect(before.isIntact)

        try FileManager.default.removeItem(atPath: blocker)
        try await eventually("room again") { (try? await log.record(part)) != nil }
        log.note(AuditFixture.write(0))
        try await eventually("notes again") { log.status.dropped == 0 }
        await log.close()
        let after = try fixture.reader.verify()
        #expect(after.isIntact, "\(after.problems)")
        let entries = try fixture.reader.entries(AuditFilter(action: "audit-log", limit: 5000))
        #expect(entries.contains { $0.reason.contains("not written") && $0.count > 0 })
    }

    @Test("a full disk refuses, loses nothing that was confirmed, and mends itself", .enabled(if: geteuid() == 0))
    func fullDisk() async throws {
        let mount = try AuditFixture()
        guard Glibc.mount("tmpfs", mount.path, "tmpfs", 0, "size=2m,mode=700") == 0 else {
            // Root without the right to mount: a container. The reserve is tested above without it.
            return
        }
        defer { umount2(mount.path, Int32(MNT_DETACH)) }
        let fixture = try AuditFixture(in: mount.path)
        let log = try await fixture.open()
        let part = (0..<20).map { AuditFixture.write($0, reason: String(repeating: "y", count: 500)) }
        var confirmed = 0
        var refusal: AuditError?
        while refusal == nil, confirmed < 100_000 {
            do {
                try await log.record(part)
                confirmed += part.count
            } catch { refusal = error }
        }
        guard case .full? = refusal else {
            Issue.record("\(String(describing: refusal))")
            return
        }
        for _ in 0..<5 { await #expect(throws: AuditError.self) { try await log.record(part) } }
        // Room: the file system grows.
        #expect(Glibc.mount("tmpfs", mount.path, "tmpfs", UInt(MS_REMOUNT), "size=64m,mode=700") == 0)
        try await eventually("room again") { (try? await log.record(part)) != nil }
        confirmed += part.count
        #expect(log.status.failure == nil)
        await log.close()
        let written = try fixture.number("SELECT count(*) FROM entries WHERE action = 'write'")
        #expect(written == confirmed)
        #expect(try fixture.reader.verify().isIntact)
    }

    @Test("a start on a full disk waits for room and does not fail", .enabled(if: geteuid() == 0))
    func fullAtStart() async throws {
        let mount = try AuditFixture()
        guard Glibc.mount("tmpfs", mount.path, "tmpfs", 0, "size=1m,mode=700") == 0 else { return }
        defer { umount2(mount.path, Int32(MNT_DETACH)) }
        let fixture = try AuditFixture(in: mount.path)
        let filler = mount.path + "/filler"
        let descriptor = Glibc.open(filler, O_CREAT | O_WRONLY, 0o600)
        let block = [UInt8](repeating: 1, count: 4096)
        while Glibc.write(descriptor, block, block.count) == block.count {}
        close(descriptor)
        let log = try await fixture.open()
        await #expect(throws: AuditError.self) { try await log.record(AuditFixture.write(1)) }
        unlink(filler)
        try await eventually("room") { (try? await log.record(AuditFixture.write(2))) != nil }
        await log.close()
        #expect(try fixture.reader.verify().isIntact)
    }
}
