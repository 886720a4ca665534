import NIOCore
import Synchronization

/// The open connections of one listener: how many, from where, and how to end them all.
final class ConnectionRegistry: Sendable {
    private struct State {
        var channels: [ObjectIdentifier: any Channel] = [:]
        var byAddress: [String: Int] = [:]
    }

    let limit: Int
    let limitPerAddress: Int
    private let state = Mutex(State())

    init(limit: Int, limitPerAddress: Int) {
        self.limit = limit
        self.limitPerAddress = limitPerAddress
    }

    var count: Int { state.withLock { $0.channels.count } }

    /// Takes a new connection in, unless there are too many in all or from its address.
    func admit(_ channel: any Channel) -> Bool {
        let address = channel.remoteAddress?.ipAddress ?? ""
        let admitted = state.withLock { state in
            guard state.channels.count < limit, state.byAddress[address, default: 0] < limitPerAddress else {
                return false
            }
            state.channels[ObjectIdentifier(channel)] = channel
            state.byAddress[address, default: 0] += 1
            return true
        }
        if admitted {
            let id = ObjectIdentifier(channel)
            channel.closeFuture.whenComplete { _ in self.remove(id, address) }
        }
        return admitted
    }

    /// Closes every connection at once, whatever it is doing.
    func closeAll() {
        for channel in state.withLock({ Array($0.channels.values) }) { channel.close(promise: nil) }
    }

    private func remove(_ id: ObjectIdentifier, _ address: String) {
        state.withLock { state in
            state.channels[id] = nil
            let left = state.byAddress[address, default: 1] - 1
            state.byAddress[address] = left > 0 ? left : nil
        }
    }
}
