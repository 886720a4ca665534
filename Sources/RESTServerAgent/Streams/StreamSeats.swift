import SecurityPolicy
import Synchronization

/// How many streams are open through one agent, in all and for each principal.
final class StreamSeats: Sendable {
    /// One stream's. It is free again when nobody holds it any more.
    final class Seat: Sendable {
        private let seats: StreamSeats
        private let principal: Key

        fileprivate init(_ seats: StreamSeats, _ principal: Key) {
            self.seats = seats
            self.principal = principal
        }

        deinit { seats.leave(principal) }
    }

    enum Verdict {
        case seat(Seat)
        case full
        case principalHasTooMany
    }

    fileprivate struct Key: Hashable {
        var kind: Principal.Kind
        var name: String
    }

    let limit: Int
    /// A quarter, so that one principal does not shut the others out, but enough for a few screens.
    let share: Int
    private let taken = Mutex<(count: Int, byPrincipal: [Key: Int])>((0, [:]))

    init(limit: Int) {
        self.limit = limit
        share = min(limit, max(8, limit / 4))
    }

    var count: Int { taken.withLock { $0.count } }

    func take(for principal: Principal) -> Verdict {
        let key = Key(kind: principal.kind, name: (principal.name ?? "").lowercased())
        return taken.withLock { taken in
            guard taken.count < limit else { return .full }
            guard taken.byPrincipal[key, default: 0] < share else { return .principalHasTooMany }
            taken.count += 1
            taken.byPrincipal[key, default: 0] += 1
            return .seat(Seat(self, key))
        }
    }

    private func leave(_ principal: Key) {
        taken.withLock { taken in
            taken.count -= 1
            let left = taken.byPrincipal[principal, default: 1] - 1
            taken.byPrincipal[principal] = left > 0 ? left : nil
        }
    }
}
