/// A network as `10.0.0.0/8` or `2001:db8::/32`; a single address is one of full length.
package struct IPNetwork: Sendable, Equatable, CustomStringConvertible {
    /// Why a text is no network.
    package enum ParseFailure: Error, Equatable {
        case notANetwork
        /// The prefix is no number from 0 to this.
        case prefix(longest: Int)
        /// Bits beyond the prefix are set: this network was probably meant.
        case hostBits(IPNetwork)
    }

    /// 4 or 16 bytes, zero beyond the prefix.
    package let bytes: [UInt8]
    package let prefix: Int

    /// - Parameters:
    ///   - bytes: 4 or 16; what is beyond the prefix is cleared.
    ///   - prefix: bits.
    package init(bytes: [UInt8], prefix: Int) {
        self.bytes = bytes.enumerated().map { index, byte in
            let kept = min(8, max(0, prefix - index * 8))
            return kept == 0 ? 0 : byte & (0xFF << UInt8(8 - kept))
        }
        self.prefix = prefix
    }

    /// An IPv6 network of IPv4 addresses (`::ffff:10.0.0.0/104`) becomes that IPv4 network.
    package init(parsing text: String) throws(ParseFailure) {
        let parts = text.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard var bytes = IPAddress.bytes(of: String(parts[0])) else { throw .notANetwork }
        var prefix = bytes.count * 8
        if parts.count == 2 {
            let digits = parts[1].utf8
            guard (1...3).contains(digits.count), digits.allSatisfy({ $0 &- 0x30 < 10 }),
                digits.count == 1 || digits.first != 0x30, let number = Int(parts[1]), number <= prefix
            else { throw .prefix(longest: prefix) }
            prefix = number
        }
        if prefix >= 96, IPAddress.isMapped(bytes) {
            bytes = Array(bytes[12...])
            prefix -= 96
        }
        let network = IPNetwork(bytes: bytes, prefix: prefix)
        guard network.bytes == bytes else { throw .hostBits(network) }
        self = network
    }

    package var description: String {
        let address = IPAddress(bytes: bytes)?.description ?? ""
        return prefix == bytes.count * 8 ? address : "\(address)/\(prefix)"
    }

    package func contains(_ address: IPAddress) -> Bool {
        guard address.bytes.count == bytes.count else { return false }
        let whole = prefix / 8
        guard address.bytes[..<whole] == bytes[..<whole] else { return false }
        guard prefix % 8 > 0 else { return true }
        return address.bytes[whole] & (0xFF << UInt8(8 - prefix % 8)) == bytes[whole]
    }
}
