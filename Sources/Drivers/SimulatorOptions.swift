package import Tags

/// One simulated device, as configured.
package struct SimulatorDeviceOptions: Sendable, Equatable {
    /// Registers (K, R, B, S) are stepped at this rate; functions carry their own.
    package var poll: Duration

    package init(poll: Duration = .seconds(1)) {
        self.poll = poll
    }
}

/// One tag of a simulated device, as configured.
package struct SimulatorTagOptions: Sendable, Equatable {
    package var address: SimulatorAddress
    package var type: DataType
    package var access: TagAccess
    package var range: ClosedRange<Double>?

    package init(
        address: SimulatorAddress, type: DataType, access: TagAccess = .read, range: ClosedRange<Double>? = nil
    ) {
        self.address = address
        self.type = type
        self.access = access
        self.range = range
    }
}
