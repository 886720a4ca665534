import Publishing
import Testing

@Suite("Message queue", .timeLimit(.minutes(1)))
struct MessageQueueTests {
    private func message(_ size: Int) -> Message { Message(payload: [UInt8](repeating: 0x20, count: size), events: 1) }

    @Test("reads ahead in order, and goes back to what was not acknowledged")
    func rewinding() {
        let queue = MessageQueue(cap: 1000)
        for _ in 0..<4 { _ = queue.append(message(10)) }
        #expect(queue.next()?.sequence == 1)
        #expect(queue.next()?.sequence == 2)
        #expect(queue.next()?.sequence == 3)
        queue.acknowledge(1)
        queue.rewind()
        #expect(queue.next()?.sequence == 2)
        #expect(queue.next()?.sequence == 3)
        #expect(queue.next()?.sequence == 4)
        #expect(queue.next() == nil)
        #expect(queue.depth.messages == 3)
    }

    @Test("takes acknowledgements in any order, and ignores foreign ones")
    func acknowledging() {
        let queue = MessageQueue(cap: 1000)
        for _ in 0..<3 { _ = queue.append(message(10)) }
        for _ in 0..<3 { _ = queue.next() }
        _ = queue.append(message(10))
        queue.acknowledge(4)
        queue.acknowledge(3)
        queue.acknowledge(2)
        #expect(queue.depth.messages == 4)
        queue.acknowledge(1)
        // The fourth was acknowledged before it was read: that was not its acknowledgement.
        #expect(queue.depth.messages == 1)
        #expect(queue.depth.bytes == 10)
        queue.acknowledge(1)
        queue.acknowledge(99)
        #expect(queue.depth.acknowledged == 3)
    }

    @Test("beyond the cap the oldest that are not in flight go, are counted, and an episode is told once")
    func dropping() {
        let queue = MessageQueue(cap: 50)
        for _ in 0..<5 { #expect(!queue.append(message(10))) }
        #expect(queue.next()?.sequence == 1)
        #expect(queue.append(message(10)))
        #expect(!queue.append(message(10)))
        #expect(queue.depth.droppedMessages == 2)
        #expect(queue.depth.bytes == 50)
        #expect(queue.next()?.sequence == 4)
        // The newest always stays, however large.
        _ = queue.append(message(500))
        #expect(queue.next()?.sequence == 8)
    }

    @Test("wakes its reader when there is news")
    func waking() async {
        let queue = MessageQueue(cap: 1000)
        await confirmation(expectedCount: 2) { woken in
            queue.setWake { woken() }
            _ = queue.append(message(1))
            _ = queue.append(message(1))
            _ = queue.next()
            _ = queue.next()
            _ = queue.append(message(1))
            queue.setWake(nil)
        }
    }
}
