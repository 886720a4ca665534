import SecurityPolicy
import Synchronization
import Tags
import Writes

/// What a route that writes gets to write with: the arbiter, as one principal, through this agent. The arbiter decides
/// each write; there is no way around it.
struct WriteAccess: Sendable {
    /// What is the same for every request of one agent.
    struct Grant: Sendable {
        let arbiter: WriteArbiter
        let audit: AuditLog
        let agent: String
        let exposure: Exposure
        let gate = WriteGate()
    }

    private let grant: Grant
    private let principal: Principal
    private let address: ClientAddress

    init(_ grant: Grant, principal: Principal, address: ClientAddress) {
        self.grant = grant
        self.principal = principal
        self.address = address
    }

    func perform(_ requests: [WriteRequest]) async -> [WriteVerdict] {
        let exposure = grant.exposure, gate = grant.gate
        let source = WriteSource(agent: grant.agent, address: address.description, isOpen: { gate.isOpen }) {
            exposure.exposes($0, $1)
        }
        return await grant.arbiter.perform(requests, by: principal, from: source)
    }

    /// Tells the audit log that somebody tried although writing is off.
    func noteOff(_ reason: String) {
        grant.audit.note(
            AuditEvent(
                .write, of: grant.agent, by: principal, address: address.description, agent: grant.agent,
                outcome: .refused,
                reason: "\(WriteVerdict.Code.writesOff.rawValue): \(reason)"))
    }
}

/// Shut for good when the agent has ended: its switches and items are then not those in force any more.
final class WriteGate: Sendable {
    private let open = Atomic<Bool>(true)

    var isOpen: Bool { open.load(ordering: .acquiring) }

    func shut() { open.store(false, ordering: .releasing) }
}
