import Tags
import Testing
import Writes

@testable import Gateway

@Suite("Which driver writes to a tag", .timeLimit(.minutes(1)))
struct DeviceWritersTests {
    struct Device: TagWriter {
        func write(_ data: TagData, to tag: TagHandle) async -> WriteOutcome { .confirmed }
    }

    @Test func aDeviceThatStopsIsForgottenAndItsPlaceUsedAgain() {
        let writers = DeviceWriters()
        let (a, b) = ([TagHandle(index: 2), TagHandle(index: 5)], [TagHandle(index: 3)])
        #expect(writers.target(a[0]) == nil)
        writers.add(a, of: WriteTarget(device: "P.A", writer: Device()))
        writers.add(b, of: WriteTarget(device: "P.B", writer: Device()))
        #expect(writers.target(a[1])?.device == "P.A" && writers.target(b[0])?.device == "P.B")
        #expect(writers.target(TagHandle(index: 4)) == nil && writers.target(TagHandle(index: .max)) == nil)
        writers.remove(a)
        writers.remove(a)
        #expect(writers.target(a[0]) == nil && writers.target(a[1]) == nil && writers.target(b[0])?.device == "P.B")
        // A reload: the same handles, another driver.
        writers.add(a, of: WriteTarget(device: "P.C", writer: Device()))
        #expect(writers.target(a[0])?.device == "P.C" && writers.target(b[0])?.device == "P.B")
    }
}
