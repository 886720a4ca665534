import TagStore
import Tags
import Testing

@Suite("Tag store", .timeLimit(.minutes(1)))
struct TagStoreTests {
    private func definitions(_ names: String...) -> [TagDefinition] {
        names.map { TagDefinition(name: TagName(validated: $0), dataType: .long) }
    }

    private func update(_ handle: TagHandle, _ value: Int64, at time: Int64 = 1) -> TagUpdate {
        TagUpdate(handle: handle, value: TagValue(data: .integer(value), timestamp: Timestamp(milliseconds: time)))
    }

    @Test("finds tags by name without regard to case, and echoes the configured name")
    func directory() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("Plant.PLC1.Level", "Plant.PLC1.Valve"))
        #expect(store.directory.handle(named: "plant.plc1.LEVEL") == handles[0])
        #expect(store.directory[handles[1]]?.name.text == "Plant.PLC1.Valve")
        #expect(store.directory.handle(named: "Plant.PLC1.Leve") == nil)
        #expect(store.directory.handle(named: "") == nil)
    }

    @Test("registers all or none")
    func duplicates() async throws {
        let store = TagStore()
        _ = try await store.register(definitions("a.b.c"))
        await #expect(throws: TagStoreError.duplicateName(TagName(validated: "A.B.C"))) {
            try await store.register(definitions("a.b.d", "A.B.C"))
        }
        #expect(store.directory.count == 1)
        #expect(store.directory.handle(named: "a.b.d") == nil)
        _ = try await store.register(definitions("a.b.d"))
        #expect(store.directory.count == 2)
    }

    @Test("holds a hundred thousand tags and finds each")
    func many() async throws {
        let store = TagStore()
        let names = (0..<100_000).map { "Channel.Device\($0 / 1000).Tag\($0)" }
        let handles = try await store.register(
            names.map { TagDefinition(name: TagName(validated: $0), dataType: .word) })
        let directory = store.directory
        for (name, handle) in zip(names, handles) { #expect(directory.handle(named: name) == handle) }
    }

    @Test("who reads beside a writer sees each batch whole")
    func wholeBatches() async throws {
        let store = TagStore()
        let handles = try await store.register((0..<500).flatMap { definitions("a.b.t\($0)") })
        await store.apply(handles.map { update($0, 0) })
        await withTaskGroup(of: Void.self) { group in
            group.addTask {
                for round in 1...500 { await store.apply(handles.map { self.update($0, Int64(round)) }) }
            }
            group.addTask {
                var last = store.read([handles[0]])[0].data
                while last != .integer(500) {
                    let values = store.read(handles)
                    last = values[0].data
                    let isWhole = values.allSatisfy { $0.data == last }
                    #expect(isWhole)
                    if !isWhole { return }
                    await Task.yield()
                }
            }
        }
    }

    @Test("gives subscribers what changed and nothing else")
    func changes() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c", "a.b.d", "a.b.e"))
        let mailbox = await store.subscribe([handles[2], handles[0]], mode: .every(cap: 10))
        await store.apply([update(handles[0], 1), update(handles[1], 1), update(handles[2], 1)])
        await store.apply([update(handles[0], 1, at: 2), update(handles[1], 1, at: 2), update(handles[2], 7, at: 2)])
        let contents = mailbox.take()
        #expect(contents.updates.map(\.slot) == [1, 0, 0])
        #expect(contents.updates.map(\.value.data) == [.integer(1), .integer(1), .integer(7)])
        #expect(mailbox.take().updates.isEmpty)
        // A poll that brings the same value moves its time.
        #expect(store.read([handles[0]])[0].timestamp == Timestamp(milliseconds: 2))
    }

    @Test("a change of quality alone is a change")
    func quality() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c"))
        let mailbox = await store.subscribe(handles, mode: .latest)
        var bad = update(handles[0], 1)
        await store.apply([bad])
        bad.value.quality = .timeout
        await store.apply([bad])
        #expect(mailbox.take().updates.map(\.value.quality) == [.timeout])
    }

    @Test("keep-latest holds one update a tag, the last")
    func latest() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c", "a.b.d"))
        let mailbox = await store.subscribe(handles, mode: .latest, current: true)
        for value in 1...100 { await store.apply([update(handles[0], Int64(value))]) }
        let contents = mailbox.take()
        #expect(contents.updates.count == 2)
        #expect(contents.updates[0].value.data == .integer(100))
        #expect(contents.updates[1].value.quality == .waitingForInitialData)
        await store.apply([update(handles[1], 5)])
        #expect(mailbox.take().updates.map(\.slot) == [1])
    }

    @Test("keep-every drops the oldest beyond its cap, counts them and keeps the order")
    func capped() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c"))
        let mailbox = await store.subscribe(handles, mode: .every(cap: 10))
        for value in 1...25 { await store.apply([update(handles[0], Int64(value))]) }
        let contents = mailbox.take()
        #expect(contents.dropped == 15)
        #expect(contents.updates.map(\.value.data) == (16...25).map { .integer($0) })
        #expect(mailbox.take().dropped == 0)
    }

    @Test("wakes who waits: by an update, by closing and by cancellation")
    func waking() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c"))
        let mailbox = await store.subscribe(handles, mode: .latest)
        let first = Task { await mailbox.wait() }
        await store.apply([update(handles[0], 1)])
        await first.value
        _ = mailbox.take()
        let second = Task { await mailbox.wait() }
        second.cancel()
        await second.value
        let third = Task { await mailbox.wait() }
        await store.unsubscribe(mailbox)
        await third.value
        await store.apply([update(handles[0], 2)])
        #expect(mailbox.take().updates.isEmpty)
    }

    @Test("a removed tag says so, is not found, and its handle is not given again")
    func removal() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c", "a.b.d"))
        let mailbox = await store.subscribe(handles, mode: .latest)
        await store.remove([handles[0]])
        #expect(mailbox.take().updates.map(\.value.quality) == [.removed])
        #expect(store.directory.handle(named: "a.b.c") == nil)
        #expect(store.directory.handle(named: "a.b.d") == handles[1])
        let again = try await store.register(definitions("a.b.c"))
        #expect(again[0] != handles[0])
    }

    @Test("an update of a handle that was never given is ignored")
    func foreign() async throws {
        let store = TagStore()
        let handles = try await store.register(definitions("a.b.c"))
        await store.apply([update(TagHandle(index: 77), 1), update(handles[0], 2)])
        #expect(store.read(handles)[0].data == .integer(2))
        #expect(store.read([TagHandle(index: 77)])[0].quality == .removed)
    }
}
