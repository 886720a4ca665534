import Synchronization
import TagStore
import Tags
import WireFormat

@testable import SecurityPolicy
@testable import Writes

/// A store, a policy and an arbiter over drivers of the test's choice.
final class WriteBench: Sendable {
    static let olga = Principal(user: "olga", groups: ["operators"])
    static let vera = Principal(user: "vera", groups: ["viewers"])
    static let root = Principal(user: "root", groups: [GroupOptions.administrators])

    let store = TagStore()
    let policy = PolicyBox()
    let journal = JournalProbe()
    let arbiter: WriteArbiter
    private let writers: Writers
    let source = WriteSource(agent: "api", address: "192.0.2.7") { _, name in !name.text.hasPrefix("Outside.") }

    /// Which driver has which tag, changed as a reload changes it.
    final class Writers: Sendable {
        let targets = Mutex<[TagHandle: WriteTarget]>([:])
    }

    init(
        limits: WriteLimits = WriteLimits(), principals: @escaping WriteArbiter.Principals = { $0 }
    ) throws {
        let writers = Writers()
        self.writers = writers
        arbiter = WriteArbiter(
            store: store, policy: policy, journal: journal.journal, limits: limits, principals: principals,
            writers: { tag in writers.targets.withLock { $0[tag] } })
        policy.replace(try WriteBench.rules())
    }

    static func rules(operatorsWrite: Bool = true) throws -> PolicySnapshot {
        func rule(_ pattern: String, _ actions: Set<TagAction>) throws -> PermissionRule {
            PermissionRule(tags: try TagPattern(pattern), actions: actions, place: "gateway.yaml:1")
        }
        return PolicySnapshot(groups: [
            GroupOptions(
                name: "operators",
                allow: [
                    try rule("Plant.**", [.browse, .read]), try rule("Hidden.D.Blind", [.write]),
                    try rule("Outside.**", [.browse, .write]),
                ] + (operatorsWrite ? [try rule("Plant.**", [.write])] : [])),
            GroupOptions(name: "viewers", allow: [try rule("Plant.**", [.browse, .read])]),
        ])
    }

    @discardableResult
    func add(
        _ name: String, _ type: DataType, isArray: Bool = false, access: TagAccess = .readWrite,
        range: ClosedRange<Double>? = nil
    ) async throws -> TagHandle {
        let definition = TagDefinition(
            name: TagName(validated: name), dataType: type, isArray: isArray, access: access,
            details: range.map { TagDetails(range: $0) })
        return try await store.register([definition])[0]
    }

    func connect(_ tags: [TagHandle], _ device: String, _ writer: (any TagWriter)?) {
        writers.targets.withLock { targets in
            for tag in tags { targets[tag] = writer.map { WriteTarget(device: device, writer: $0) } }
        }
    }

    /// Writes as JSON: `write("Plant.D.T", "42")`.
    func write(_ writes: [(String, String)], by principal: Principal = olga) async throws -> [WriteVerdict] {
        let requests = try writes.map {
            WriteRequest(tag: $0.0, value: try JSONReader.value(Array($0.1.utf8)))
        }
        return await arbiter.perform(requests, by: principal, from: source)
    }

    func write(_ tag: String, _ json: String, by principal: Principal = olga) async throws -> WriteVerdict {
        try await write([(tag, json)], by: principal)[0]
    }
}

/// An audit log that remembers what it was told, and fails when told to.
final class JournalProbe: Sendable {
    struct State {
        var recorded: [AuditEvent] = []
        var noted: [AuditEvent] = []
        /// How many times `record` was called.
        var calls = 0
        /// From which call on it fails.
        var failsFrom = Int.max
        var held: [CheckedContinuation<Void, Never>]?
    }

    private let state = Mutex(State())

    var recorded: [AuditEvent] { state.withLock { $0.recorded } }
    var noted: [AuditEvent] { state.withLock { $0.noted } }
    var calls: Int { state.withLock { $0.calls } }

    func outcomes(of tag: String) -> [AuditEvent.Outcome] { recorded.filter { $0.object == tag }.map(\.outcome) }

    func fail(from call: Int) { state.withLock { $0.failsFrom = call } }

    var journal: WriteJournal {
        WriteJournal { [self] events throws(AuditError) in
            let fails = state.withLock { state in
                state.calls += 1
                if state.calls >= state.failsFrom { return true }
                state.recorded += events
                return false
            }
            if fails { throw AuditError.full(path: "audit.sqlite", reason: "no space") }
        } note: { [self] event in
            state.withLock { $0.noted.append(event) }
        }
    }
}

/// A driver that does as it is told, and remembers what reached it.
final class ScriptedWriter: TagWriter {
    private struct State {
        var written: [(tag: TagHandle, data: TagData)] = []
        var outcome = WriteOutcome.confirmed
        var isHanging = false
        var hanging: [CheckedContinuation<Void, Never>] = []
        var arrivals: [(count: Int, continuation: CheckedContinuation<Void, Never>)] = []
        var running = 0
        var mostRunning = 0
    }

    private let state = Mutex(State())

    init(hanging: Bool = false) { state.withLock { $0.isHanging = hanging } }

    var written: [TagData] { state.withLock { $0.written.map(\.data) } }
    var mostRunning: Int { state.withLock { $0.mostRunning } }

    func answer(_ outcome: WriteOutcome) { state.withLock { $0.outcome = outcome } }

    /// Lets everything that hangs go on, and hangs no more.
    func release() {
        let hanging = state.withLock { state in
            state.isHanging = false
            defer { state.hanging = [] }
            return state.hanging
        }
        for waiter in hanging { waiter.resume() }
    }

    /// Returns when so many writes have reached it.
    func arrived(_ count: Int) async {
        await withCheckedContinuation { continuation in
            let isThere = state.withLock { state in
                if state.written.count >= count { return true }
                state.arrivals.append((count, continuation))
                return false
            }
            if isThere { continuation.resume() }
        }
    }

    func write(_ data: TagData, to tag: TagHandle) async -> WriteOutcome {
        let (woken, hangs) = state.withLock { state in
            state.written.append((tag, data))
            state.running += 1
            state.mostRunning = max(state.mostRunning, state.running)
            let woken = state.arrivals.filter { $0.count <= state.written.count }
            state.arrivals.removeAll { $0.count <= state.written.count }
            return (woken, state.isHanging)
        }
        for waiter in woken { waiter.continuation.resume() }
        if hangs {
            await withCheckedContinuation { continuation in
                let isFree = state.withLock { state in
                    if state.isHanging { state.hanging.append(continuation) }
                    return !state.isHanging
                }
                if isFree { continuation.resume() }
            }
        } else {
            await Task.yield()
        }
        return state.withLock { state in
            state.running -= 1
            return state.outcome
        }
    }
}
