/// One name among a certificate's subject alternative names. A name of one kind never equals one of another.
package enum AlternativeName: Sendable, Hashable, CustomStringConvertible {
    /// In lower case.
    case host(String)
    /// In its canonical text.
    case address(String)
    case email(String)
    case uri(String)

    /// The kind shows in the text: `:` behind letters begins a URI, `@` is in an e-mail address, an IP address is one,
    /// and anything else must be a host name. nil when it is none of them, or a wildcard.
    package init?(parsing text: String) {
        guard !text.isEmpty, text.utf8.count <= 1024, text.utf8.allSatisfy({ (0x21...0x7E).contains($0) }),
            !text.utf8.contains(0x2A)
        else { return nil }
        if let address = IPAddressText(text) {
            self = .address(address.text)
        } else if text.contains("@"), !text.contains(":") {
            self = .email(text)
        } else if text.contains(":") {
            let scheme = text.utf8.prefix { $0 != 0x3A }
            guard let first = scheme.first, (first | 0x20) &- 0x61 < 26 else { return nil }
            self = .uri(text)
        } else {
            guard text.utf8.allSatisfy(AlternativeName.isHostByte) else { return nil }
            self = .host(text.lowercased())
        }
    }

    package var description: String {
        switch self {
        case .host(let text), .address(let text), .email(let text), .uri(let text): text
        }
    }

    private static func isHostByte(_ byte: UInt8) -> Bool {
        byte &- 0x30 < 10 || (byte | 0x20) &- 0x61 < 26 || byte == 0x2D || byte == 0x2E || byte == 0x5F
    }
}
