import SecurityPolicy
import TagStore
import Tags

/// A write that may be carried out: decided, and its value in the tag's own type.
struct PreparedWrite: Sendable {
    var handle: TagHandle
    var definition: TagDefinition
    var data: TagData
    var target: WriteTarget

    /// Whether it is the same write: what was made durable as the intent.
    func isSame(as other: PreparedWrite) -> Bool {
        data == other.data && target.device == other.target.device
            && definition.name.text.utf8.elementsEqual(other.definition.name.text.utf8)
    }
}

extension WriteArbiter {
    /// Decides a write by what holds at this moment. Whoever may not browse a tag hears of it as of one that does not
    /// exist.
    nonisolated func prepare(
        _ request: WriteRequest, _ principal: Principal, _ source: WriteSource
    ) -> Result<PreparedWrite, WriteRejection> {
        let directory = store.directory
        let unknown = WriteRejection(tag: request.tag, .unknownTag, "there is no such tag")
        // A name that was not found takes every check, those of another tag: ten thousand writes in one request would
        // tell a hidden tag from one that does not exist by the time.
        let found = directory.handle(named: request.tag)
        let handle = found ?? TagHandle(index: 0)
        let known = directory[handle]
        let isExposed = known.map { source.exposes(handle, $0.name) } ?? false
        let present = principals(principal)
        let permissions = policy.permissions(for: present ?? principal)
        func may(_ action: TagAction) -> Bool {
            var asked: [TagHandle?] = [handle]
            permissions.removeDenied(action, from: &asked) { directory[$0]?.name }
            return asked[0] != nil
        }
        let isBrowsable = may(.browse)
        guard found != nil, let definition = known, isExposed, present != nil, isBrowsable else {
            return .failure(unknown)
        }
        func reject(_ code: WriteVerdict.Code, _ reason: String) -> Result<PreparedWrite, WriteRejection> {
            .failure(WriteRejection(tag: definition.name.text, code, reason))
        }
        guard may(.write) else { return reject(.forbidden, "no permission to write the tag") }
        guard definition.access == .readWrite else {
            return reject(.readOnly, "the tag is read-only in the configuration")
        }
        let data: TagData
        do {
            data = try ValueCoercion.data(request.value, for: definition)
        } catch {
            return reject(error.code, error.reason)
        }
        guard let target = writers(handle) else {
            return reject(.deviceOffline, "the device is disabled or stopped")
        }
        return .success(PreparedWrite(handle: handle, definition: definition, data: data, target: target))
    }
}

/// A refusal that did not reach the device.
struct WriteRejection: Error {
    let verdict: WriteVerdict

    init(tag: String, _ code: WriteVerdict.Code, _ reason: String) {
        verdict = WriteVerdict(tag: tag, .rejected(code), reason: reason)
    }
}
