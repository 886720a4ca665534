/// What bounds the writes that are under way.
package struct WriteLimits: Sendable, Equatable {
    /// Writes to one tag that wait for their turn.
    package var perTag: Int
    /// Writes to one device that wait for their turn.
    package var perDevice: Int
    /// Writes of one principal's requests that have no verdict yet: what waits for a hung device takes nobody else's place.
    package var perPrincipal: Int
    /// Writes of all requests that have no verdict yet.
    package var inAll: Int
    /// A write that has not begun so long after its request came is not carried out: nobody expects it any more.
    package var patience: Duration
    /// A driver that has not answered after this is not waited for: the verdict is `unknown`, and the device gets no
    /// other write until it has.
    package var longestWrite: Duration

    package init(
        perTag: Int = 64, perDevice: Int = 256, perPrincipal: Int = 20_000, inAll: Int = 50_000,
        patience: Duration = .seconds(10), longestWrite: Duration = .seconds(30)
    ) {
        self.perTag = perTag
        self.perDevice = perDevice
        self.perPrincipal = perPrincipal
        self.inAll = inAll
        self.patience = patience
        self.longestWrite = longestWrite
    }
}
