import Tags
import Testing

@testable import Drivers

@Suite(.timeLimit(.minutes(1)))
struct TraceTests {
    private func entry(_ text: String) -> TraceEntry {
        TraceEntry(time: Timestamp(microseconds: 0), direction: .event, text: text)
    }

    @Test func aSlowReaderMissesTheOldestAndIsTold() async {
        var listeners = TraceListeners()
        #expect(listeners.isEmpty)
        let (stream, continuation) = AsyncStream.makeStream(
            of: TraceEntry.self, bufferingPolicy: .bufferingNewest(TraceListeners.buffered))
        let id = listeners.add(continuation)
        #expect(!listeners.isEmpty)
        for number in 0..<300 { listeners.send(entry("\(number)")) }
        var reader = stream.makeAsyncIterator()
        #expect(await reader.next()?.text == "44")
        #expect(await reader.next()?.text == "45")
        #expect(await reader.next()?.text == "46")
        listeners.send(entry("300"))
        listeners.finish()
        var rest: [String] = []
        while let next = await reader.next() { rest.append(next.text) }
        #expect(rest.suffix(2) == ["300", "44 entries missed: the reader was too slow"])
        listeners.remove(id)
    }

    @Test func putsRequestsIntoWords() {
        let words = ModbusTrace(unit: 1, isZeroBased: false)
        #expect(
            words.words(ModbusRequest(address: 0, kind: .read(.holdingRegisters, count: 10)))
                == "read holding registers 40001–40010 (10)")
        #expect(
            words.words(ModbusRequest(address: 65535, kind: .read(.coils, count: 1))) == "read coils 065536 (1)")
        #expect(
            words.words(ModbusRequest(address: 4, kind: .writeOne(.coils, value: 0xFF00)))
                == "write coils 00005 (1) = true")
    }
}
