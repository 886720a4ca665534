package import Tags

/// One Modbus TCP device, as configured.
package struct ModbusDeviceOptions: Sendable, Equatable {
    package struct Demotion: Sendable, Equatable {
        /// Failed polls in a row, retries included, until the device is asked less often.
        package var after: Int
        /// How long it is left alone then.
        package var period: Duration

        package init(after: Int = 3, period: Duration = .seconds(10)) {
            self.after = after
            self.period = period
        }
    }

    package var host: String
    package var port: UInt16
    package var unit: UInt8
    package var poll: Duration
    package var timeout: Duration
    package var retries: Int
    package var demotion: Demotion
    package var wordOrder: ModbusWordOrder
    package var isZeroBased: Bool

    package init(
        host: String, port: UInt16 = 502, unit: UInt8 = 1, poll: Duration = .seconds(1),
        timeout: Duration = .seconds(1), retries: Int = 2, demotion: Demotion = .init(),
        wordOrder: ModbusWordOrder = .bigEndian, isZeroBased: Bool = false
    ) {
        self.host = host
        self.port = port
        self.unit = unit
        self.poll = poll
        self.timeout = timeout
        self.retries = retries
        self.demotion = demotion
        self.wordOrder = wordOrder
        self.isZeroBased = isZeroBased
    }
}

/// How values of two and four registers lie in them; ABCD is most significant first.
package enum ModbusWordOrder: String, Sendable, CaseIterable {
    case bigEndian = "big-endian"  // ABCD
    case littleEndian = "little-endian"  // DCBA
    case bigEndianByteSwap = "big-endian-byte-swap"  // BADC
    case littleEndianByteSwap = "little-endian-byte-swap"  // CDAB
}

/// One tag of a Modbus device, as configured.
package struct ModbusTagOptions: Sendable, Equatable {
    package var address: ModbusAddress
    /// The type in the device.
    package var type: DataType
    package var access: TagAccess
    /// nil: the device's poll.
    package var poll: Duration?
    package var scale: TagScale?
    /// In scaled units.
    package var range: ClosedRange<Double>?
    /// Bytes of a string.
    package var length: Int?
    package var stringOrder: ModbusStringOrder

    package init(
        address: ModbusAddress, type: DataType, access: TagAccess = .read, poll: Duration? = nil,
        scale: TagScale? = nil, range: ClosedRange<Double>? = nil, length: Int? = nil,
        stringOrder: ModbusStringOrder = .highByteFirst
    ) {
        self.address = address
        self.type = type
        self.access = access
        self.poll = poll
        self.scale = scale
        self.range = range
        self.length = length
        self.stringOrder = stringOrder
    }

    /// The type that the tag has for the rest of the gateway: the scaled type where there is a scale.
    package var publishedType: DataType { scale?.type ?? type }
}

/// Which byte of a register holds the first character.
package enum ModbusStringOrder: String, Sendable, CaseIterable {
    case highByteFirst = "high-byte-first"
    case lowByteFirst = "low-byte-first"
}

/// A straight line from raw to scaled units; a write inverts it and rounds.
package struct TagScale: Sendable, Equatable {
    package var raw: ClosedRange<Double>
    /// Where `raw.lowerBound` and `raw.upperBound` lie; the first may be above the second.
    package var scaledLow: Double
    package var scaledHigh: Double
    package var type: DataType
    /// Whether values outside are held at the ends, with uncertain quality.
    package var clamp: Bool

    package init(
        raw: ClosedRange<Double>, scaledLow: Double, scaledHigh: Double, type: DataType = .double, clamp: Bool = false
    ) {
        self.raw = raw
        self.scaledLow = scaledLow
        self.scaledHigh = scaledHigh
        self.type = type
        self.clamp = clamp
    }
}
