import Glibc
import Outbox
import TestPeers
import Testing

/// On a file system of a few MiB of its own, which only root may mount.
@Suite("A full disk under the outbox", .timeLimit(.minutes(3)))
struct FullDiskTests {
    private static func mayMount() -> Bool {
        guard let directory = try? TemporaryDirectory() else { return false }
        guard mount("tmpfs", directory.path, "tmpfs", 0, "size=64k,mode=700") == 0 else { return false }
        umount2(directory.path, Int32(MNT_DETACH))
        return true
    }

    @Test(
        "messages go on from memory, in order, and to the disk when there is room",
        .enabled("needs root, to mount a file system") { mayMount() })
    func full() async throws {
        let bench = try await OutboxBench()
        await bench.outbox.close()
        let path = bench.directory.path
        try #require(mount("tmpfs", path, "tmpfs", 0, "size=3m,mode=700") == 0)
        defer { umount2(path, Int32(MNT_DETACH)) }
        try await bench.reopen()
        let queue = try await bench.queue()
        let first = try await fill(bench, queue)
        // Nothing stands still: what is committed and what is in memory only are given, in order.
        var taken = try await queue.take(first / 2)
        // An agent of a reload while there is no room.
        let late = try await bench.queue(agent: "late")
        late.append(1...3)
        #expect(try await late.take(1)[0].number == 1)
        try #require(mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=64m,mode=700") == 0)
        try await bench.written()
        queue.append(first + 1...first + 20)
        try await bench.status { $0.messages == first / 2 + first % 2 + 20 }
        try await bench.crash()
        let again = try await bench.queue()
        taken += try await again.take(first - first / 2 + 20)
        let numbers = taken.compactMap(\.number)
        // In order but for what was on its way when it crashed.
        #expect(Set(numbers) == Set(1...first + 20), "\(Set(1...first + 20).subtracting(numbers).sorted().prefix(20))")
        #expect(numbers == numbers.sorted())
        #expect(try await bench.queue(agent: "late").take(2).map(\.number) == [2, 3])
        #expect(try await bench.outbox.overview().quarantined == 0)
    }

    @Test("the last of the disk is left to others", .enabled("needs root, to mount a file system") { mayMount() })
    func reserve() async throws {
        let bench = try await OutboxBench(reserve: 20 << 20)
        await bench.outbox.close()
        let path = bench.directory.path
        try #require(mount("tmpfs", path, "tmpfs", 0, "size=16m,mode=700") == 0)
        defer { umount2(path, Int32(MNT_DETACH)) }
        try await bench.reopen()
        let queue = try await bench.queue()
        while try await bench.outbox.overview().failure == nil { try await Task.sleep(for: .milliseconds(20)) }
        queue.append(1...10)
        #expect(try await queue.take(5).map(\.number) == [1, 2, 3, 4, 5])
        try #require(mount("tmpfs", path, "tmpfs", UInt(MS_REMOUNT), "size=64m,mode=700") == 0)
        try await bench.written()
        try await bench.crash()
        #expect(try await bench.queue().take(5).map(\.number) == [6, 7, 8, 9, 10])
    }

    /// Appends until the disk takes no more, and some beyond that.
    ///
    /// - Returns: the number of the last message.
    private func fill(_ bench: OutboxBench, _ queue: OutboxQueue) async throws -> Int {
        var last = 0
        while last < 2000, try await bench.outbox.overview().failure == nil {
            queue.append(last + 1...last + 20, padding: 4000)
            last += 20
            try await Task.sleep(for: .milliseconds(30))
        }
        #expect(last < 2000)
        queue.append(last + 1...last + 100)
        return last + 100
    }
}

extension OutboxBench {
    /// Waits until the disk is written again.
    func written() async throws {
        let end = ContinuousClock.now + .seconds(20)
        while try await outbox.overview().failure != nil {
            guard ContinuousClock.now < end else { throw TestPeerError("\(try await outbox.overview())") }
            try await Task.sleep(for: .milliseconds(50))
        }
    }
}
