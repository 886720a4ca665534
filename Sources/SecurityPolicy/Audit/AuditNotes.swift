import Glibc

/// Events that nobody waits for, summed over a second: what is alike becomes one with its count, and the number of
/// different ones is bounded, of one client more tightly, so that a flood from one place does not hide the others.
struct AuditNotes: Sendable {
    static let window = Duration.seconds(1)
    static let limit = 512
    static let limitPerClient = 64

    /// What makes two events alike.
    private struct Key: Hashable {
        var action: AuditEvent.Action
        var outcome: AuditEvent.Outcome
        var principal = ""
        var kind: Principal.Kind?
        var address = ""
        var agent = ""
        var object = ""
        var old: String?
        var new: String?
        var reason = ""
    }

    private var events: [AuditEvent] = []
    private var places: [Key: Int] = [:]
    /// By `client`.
    private var perClient: [String: Int] = [:]
    /// When the first of them came.
    private(set) var opened: ContinuousClock.Instant?

    var isEmpty: Bool { events.isEmpty }

    /// Takes a bounded event. True when it is the first of a window.
    mutating func add(_ event: AuditEvent, now: ContinuousClock.Instant) -> Bool {
        let isFirst = events.isEmpty
        if isFirst { opened = now }
        let key = AuditNotes.key(of: event)
        let client = AuditNotes.client(event.address)
        if add(event, key, of: client) { return isFirst }
        // No room for one more of its own: with the others of its client, and at last with those of everywhere.
        let others = AuditEvent(
            event.action, of: "", by: "others", kind: event.kind, address: event.address, outcome: event.outcome,
            reason: "too many different ones within a second: counted together", count: event.count, time: event.time)
        var othersKey = Key(action: event.action, outcome: event.outcome, principal: "\u{0}", address: client)
        if perClient[client, default: 0] >= AuditNotes.limitPerClient, add(others, othersKey, of: client, always: true)
        {
            return isFirst
        }
        othersKey.address = "\u{0}"
        var everywhere = others
        everywhere.address = ""
        _ = add(everywhere, othersKey, of: client, always: true)
        return isFirst
    }

    /// Whether one like it has come in this second. It takes as long as to add one more of it.
    func knows(_ event: AuditEvent) -> Bool {
        perClient[AuditNotes.client(event.address)] != nil && places[AuditNotes.key(of: event)] != nil
    }

    private static func key(of event: AuditEvent) -> Key {
        var key = Key(action: event.action, outcome: event.outcome, principal: event.principal, address: event.address)
        // A failed login is one row a second for a user and an address, whatever else differs.
        if event.action != .login || event.outcome == .succeeded {
            key.kind = event.kind
            key.agent = event.agent
            key.object = event.object
            key.old = event.old
            key.new = event.new
            key.reason = event.reason
        }
        return key
    }

    /// What counts as one client: an IPv4 address; of IPv6 the network of 64 bits, since whoever has one address of it
    /// has them all.
    private static func client(_ address: String) -> String {
        var bytes = [UInt8](repeating: 0, count: 16)
        let text = String(address.prefix { $0 != "%" })
        guard text.contains(":"), inet_pton(AF_INET6, text, &bytes) == 1 else { return address }
        // As a listener for both families sees IPv4.
        let isMapped = bytes[..<10].allSatisfy { $0 == 0 } && bytes[10] == 0xFF && bytes[11] == 0xFF
        return isMapped ? address : Hexadecimal.text(bytes.prefix(8))
    }

    private mutating func add(_ event: AuditEvent, _ key: Key, of client: String, always: Bool = false) -> Bool {
        if let place = places[key] {
            events[place].count = events[place].count.addingReportingOverflow(event.count).partialValue
            return true
        }
        if !always {
            guard events.count < AuditNotes.limit,
                event.address.isEmpty || perClient[client, default: 0] < AuditNotes.limitPerClient
            else { return false }
            perClient[client, default: 0] += 1
        }
        places[key] = events.count
        events.append(event)
        return true
    }

    /// Everything since the last time, in the order in which each came first.
    mutating func take() -> [AuditEvent] {
        defer { self = AuditNotes() }
        return events
    }
}
