import NIOCore
package import Tags

extension ModbusDevice {
    package func write(_ data: TagData, to tag: TagHandle) async -> WriteOutcome {
        guard let index = indexes[tag] else {
            return .refused(WriteRefusal(.unknownTag, "the device \(state.name) has no such tag"))
        }
        guard access[index] == .readWrite else {
            return .refused(WriteRefusal(.readOnly, "the tag is read-only in the configuration"))
        }
        let request: ModbusRequest
        switch codecs[index].encode(data) {
        case .request(let encoded): request = encoded
        case .refused(let refusal): return .refused(refusal)
        }
        guard isRunning, !isStopping else {
            return .refused(WriteRefusal(.deviceOffline, "the device \(state.name) is stopped"))
        }
        guard channel != nil || backoff.failures == 0 else {
            return .refused(WriteRefusal(.deviceOffline, state.lastError ?? "not connected"))
        }
        guard writes.count < ModbusDevice.mostPendingWrites else {
            return .refused(WriteRefusal(.busy, "\(writes.count) writes to the device are already waiting"))
        }
        nextWrite += 1
        let id = nextWrite
        return await withCheckedContinuation { continuation in
            // A connection attempt or a request may stand before it; its own takes another timeout at most.
            let expiry = loop.scheduleTask(in: timeout) { self.assumeIsolated { $0.giveUpWrite(id) } }
            writes.append(
                PendingWrite(id: id, tag: index, request: request, continuation: continuation, expiry: expiry))
            wake()
        }
    }

    /// Sends the oldest of what waits to be written. Nothing is ever sent twice.
    func serveWrite() async {
        guard !writes.isEmpty, channel != nil, !isStopping else { return }
        let write = writes.removeFirst()
        write.expiry.cancel()
        isPollOwed = true
        let outcome = await perform(write.request)
        write.continuation.resume(returning: verdict(outcome, on: write.request))
        switch outcome {
        case .reply, .exception: heard()
        case .timeout: state.timeouts += 1
        case .violation(let error): await fail(.protocolError, "\(error)")
        case .lost(let reason): await fail(.notConnected, reason)
        case .notSent: await failUnsent()
        }
    }

    private func verdict(_ outcome: Outcome, on request: ModbusRequest) -> WriteOutcome {
        switch outcome {
        case .reply: return .confirmed
        case .exception(.acknowledge):
            return .unknown(reason: "the device answered with \(ModbusException.acknowledge): it has begun, not done")
        case .exception(let exception):
            state.exceptions += 1
            failed("\(exception) to \(words.words(request))")
            return .refused(WriteRefusal(.deviceRefused, "the device answered with \(exception)"))
        case .timeout: return .unknown(reason: "the device did not answer within \(options.timeout)")
        case .lost(let reason): return .unknown(reason: reason)
        case .violation(let error): return .unknown(reason: "\(error)")
        case .notSent: return .refused(WriteRefusal(.deviceOffline, "the connection is gone"))
        }
    }

    private func giveUpWrite(_ id: Int) {
        guard let index = writes.firstIndex(where: { $0.id == id }) else { return }
        let write = writes.remove(at: index)
        let reason = "the device did not take the write in time"
        write.continuation.resume(returning: .refused(WriteRefusal(.deviceOffline, reason)))
    }

    func refuseWrites(_ reason: String) {
        for write in writes {
            write.expiry.cancel()
            write.continuation.resume(returning: .refused(WriteRefusal(.deviceOffline, reason)))
        }
        writes = []
    }
}
