import COpenSSL
import TLS
import Testing

/// What a server shows, and whom a client of ours trusts: the one table that every library is held against.
struct ServerCase: CustomTestStringConvertible, Sendable {
    struct Shown {
        var leaf: ForgedCertificate
        var chain: [ForgedCertificate] = []
        /// Revocation lists that the client has; empty: it asks for none.
        var lists: [[UInt8]] = []
        var pins: [[UInt8]] = []
        /// Whom the client trusts; empty: the plant's authority.
        var authorities: [ForgedCertificate] = []
        var verifiesPeer = true
    }

    let testDescription: String
    /// What the client asks for: a name or an address of this machine.
    let host: String
    /// A part of the reason with which it is refused; nil: it is accepted.
    let reason: String?
    let make: @Sendable (ForgedCertificate) throws -> Shown

    init(
        _ description: String, host: String = "localhost", reason: String? = nil,
        make: @escaping @Sendable (ForgedCertificate) throws -> Shown
    ) {
        testDescription = description
        self.host = host
        self.reason = reason
        self.make = make
    }
}

/// The case as files and options: what a client of ours is configured with.
struct PreparedCase {
    let shown: ServerCase.Shown
    let options: TLSClientOptions
    private let folder: TemporaryFolder

    init(_ wanted: ServerCase) throws {
        folder = try TemporaryFolder()
        let authority = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
        shown = try wanted.make(authority)
        let trusted = shown.authorities.isEmpty ? [authority] : shown.authorities
        options = TLSClientOptions(
            caFile: try folder.write("ca.pem", trusted.flatMap(\.certificatePEM)), pins: shown.pins,
            revocationFile: shown.lists.isEmpty ? nil : try folder.write("ca.crl", shown.lists.flatMap { $0 }),
            verifiesPeer: shown.verifiesPeer)
    }
}

extension ServerCase {
    private static func leaf(
        _ issuer: ForgedCertificate, names: String? = "DNS:localhost,IP:127.0.0.1", valid: Range<Int> = -60..<86_400
    ) throws -> ForgedCertificate {
        try ForgedCertificate(subject: "b", issuer: issuer, names: names, valid: valid)
    }

    private static func line(_ issuer: ForgedCertificate) throws -> ForgedCertificate {
        try ForgedCertificate(subject: "Line CA", issuer: issuer, isAuthority: true)
    }

    /// The pin that a person would find by openssl.
    private static func pin(_ certificate: ForgedCertificate) throws -> [UInt8] {
        try #require(certificate.publicKeyDigest)
    }

    static let good: [ServerCase] = [
        ServerCase("a name") { .init(leaf: try leaf($0, names: "DNS:other,DNS:localhost")) },
        ServerCase("an address", host: "127.0.0.1") { .init(leaf: try leaf($0)) },
        ServerCase("behind an intermediate") {
            let line = try line($0)
            return .init(leaf: try leaf(line), chain: [line])
        },
        ServerCase("with strangers beside the chain, and its root, in any order") {
            let line = try line($0)
            let strangers = try (1...4).map { try ForgedCertificate(subject: "Stranger \($0)", isAuthority: true) }
            return .init(leaf: try leaf(line), chain: strangers + [$0, line, line])
        },
        ServerCase("not revoked") {
            let (one, other) = (try leaf($0), try leaf($0))
            return .init(leaf: one, lists: [try $0.revocationList(of: [other])])
        },
        ServerCase("not revoked, by a list in DER") {
            .init(leaf: try leaf($0), lists: [try $0.revocationList(isDER: true)])
        },
        ServerCase("no list of the root") {
            let line = try line($0)
            return .init(leaf: try leaf(line), chain: [line], lists: [try line.revocationList()])
        },
        ServerCase("lists of the whole chain") {
            let line = try line($0)
            let lists = [try line.revocationList(), try $0.revocationList()]
            return .init(leaf: try leaf(line), chain: [line], lists: lists)
        },
        ServerCase("an old list beside a new one") {
            let lists = [try $0.revocationList(valid: -9000 ..< -60), try $0.revocationList()]
            return .init(leaf: try leaf($0), lists: lists)
        },
        ServerCase("one of two pins") {
            let leaf = try leaf($0)
            return .init(leaf: leaf, pins: [[UInt8](repeating: 1, count: 32), try pin(leaf)])
        },
        ServerCase("not verified, but pinned", host: "127.0.0.1") { _ in
            let leaf = try ForgedCertificate(subject: "b", valid: -9000 ..< -60)
            return .init(leaf: leaf, pins: [try pin(leaf)], verifiesPeer: false)
        },
        ServerCase("self-signed and itself trusted") { _ in
            let leaf = try ForgedCertificate(subject: "b", names: "DNS:localhost")
            return .init(leaf: leaf, authorities: [leaf])
        },
    ]

    static let bad: [ServerCase] = dates + names + authorities + strength + revocation + pins

    private static let dates: [ServerCase] = [
        ServerCase("expired", reason: "certificate has expired on ") {
            .init(leaf: try leaf($0, valid: -86_400 ..< -60))
        },
        ServerCase("not yet valid", reason: "certificate is valid only from ") {
            .init(leaf: try leaf($0, valid: 3600..<86_400))
        },
        ServerCase("an intermediate that has expired", reason: "authority's certificate (CN = Line CA) has expired on ")
        {
            let line = try ForgedCertificate(
                subject: "Line CA", issuer: $0, isAuthority: true, valid: -86_400 ..< -60)
            return .init(leaf: try leaf(line), chain: [line])
        },
    ]

    private static let names: [ServerCase] = [
        ServerCase(
            "wrong host", reason: "host name mismatch: certificate is for other.plant, 10.0.0.1; asked for localhost"
        ) { .init(leaf: try leaf($0, names: "DNS:other.plant,IP:10.0.0.1")) },
        ServerCase(
            "wrong address", host: "127.0.0.1", reason: "certificate is for 127.0.0.2; asked for 127.0.0.1"
        ) { .init(leaf: try leaf($0, names: "IP:127.0.0.2")) },
        ServerCase("an address written as a DNS name", host: "127.0.0.1", reason: "host name mismatch") {
            .init(leaf: try leaf($0, names: "DNS:127.0.0.1"))
        },
        ServerCase("common name only", reason: "has no subject alternative name; asked for localhost") {
            .init(leaf: try ForgedCertificate(subject: "localhost", issuer: $0))
        },
        ServerCase("common name only, of an address", host: "127.0.0.1", reason: "has no subject alternative name") {
            .init(leaf: try ForgedCertificate(subject: "127.0.0.1", issuer: $0))
        },
        ServerCase("partial wildcard", reason: "host name mismatch") {
            .init(leaf: try leaf($0, names: "DNS:local*,DNS:*host,DNS:l*t,DNS:*"))
        },
    ]

    private static let authorities: [ServerCase] = [
        ServerCase("another authority", reason: "unknown authority: certificate comes from CN = Other CA, which is not")
        { _ in
            .init(leaf: try leaf(try ForgedCertificate(subject: "Other CA", isAuthority: true)))
        },
        ServerCase("another authority that is shown", reason: "unknown authority: certificate comes from CN = Other CA")
        { _ in
            let other = try ForgedCertificate(subject: "Other CA", isAuthority: true)
            return .init(leaf: try leaf(other), chain: [other])
        },
        ServerCase(
            "another authority of the same name", reason: "unknown authority: certificate bears the name of CN = Plant"
        ) { _ in
            .init(leaf: try leaf(try ForgedCertificate(subject: "Plant CA", isAuthority: true)))
        },
        ServerCase("self-signed", reason: "certificate (CN = b) is self-signed and not among the trusted ones") { _ in
            .init(leaf: try ForgedCertificate(subject: "b", names: "DNS:localhost"))
        },
        ServerCase("an intermediate is missing", reason: "comes from CN = Line CA, which is not trusted here") {
            .init(leaf: try leaf(try line($0)))
        },
        ServerCase("issued by a certificate that is no authority", reason: "is not one of an authority") {
            let between = try ForgedCertificate(subject: "leaf", issuer: $0, names: "DNS:x")
            return .init(leaf: try leaf(between), chain: [between])
        },
        ServerCase("wrong purpose", reason: "is not meant for a TLS server") {
            .init(
                leaf: try ForgedCertificate(subject: "b", issuer: $0, names: "DNS:localhost", usage: "clientAuth"))
        },
        ServerCase("too many authorities in between", reason: "there are too many authorities between") {
            var chain = [$0]
            for number in 1...10 {
                chain.append(try ForgedCertificate(subject: "CA \(number)", issuer: chain.last, isAuthority: true))
            }
            return .init(leaf: try leaf(chain[10]), chain: Array(chain.dropFirst()))
        },
        ServerCase("a crowd", reason: "21 certificates were shown, 16 are taken") {
            let line = try line($0)
            return .init(leaf: try leaf(line), chain: Array(repeating: line, count: 20))
        },
        ServerCase("a loop", reason: "unknown authority") { _ in
            let one = try ForgedCertificate(subject: "One", isAuthority: true)
            let two = try ForgedCertificate(subject: "Two", issuer: one, isAuthority: true)
            let back = try ForgedCertificate(subject: "One", issuer: two, isAuthority: true)
            return .init(leaf: try leaf(back), chain: [back, two, back, two])
        },
    ]

    private static let strength: [ServerCase] = [
        ServerCase("weak key", reason: "certificate has a weak key (80 bits of security, 112 are needed)") {
            .init(
                leaf: try ForgedCertificate(
                    subject: "b", issuer: $0, names: "DNS:localhost", key: .rsa(bits: 1024)))
        },
        ServerCase(
            "weak key of an intermediate", reason: "authority's certificate (CN = Line CA) has a weak key (80 bits"
        ) {
            let line = try ForgedCertificate(
                subject: "Line CA", issuer: $0, isAuthority: true, key: .rsa(bits: 1024))
            return .init(leaf: try leaf(line), chain: [line])
        },
        ServerCase("weak key of a root", reason: "authority's certificate (CN = Old CA) has a weak key (80 bits") { _ in
            let root = try ForgedCertificate(subject: "Old CA", isAuthority: true, key: .rsa(bits: 1024))
            return .init(leaf: try leaf(root), authorities: [root])
        },
        ServerCase("weak digest", reason: "is signed with a weak digest") {
            .init(
                leaf: try ForgedCertificate(
                    subject: "b", issuer: $0, names: "DNS:localhost", digest: EVP_sha1()))
        },
        ServerCase(
            "weak digest of an intermediate", reason: "authority's certificate (CN = Line CA) is signed with a weak"
        ) {
            let line = try ForgedCertificate(subject: "Line CA", issuer: $0, isAuthority: true, digest: EVP_sha1())
            return .init(leaf: try leaf(line), chain: [line])
        },
    ]

    private static let revocation: [ServerCase] = [
        ServerCase("revoked", reason: "certificate (CN = b) was revoked on 20") {
            let leaf = try leaf($0)
            return .init(leaf: leaf, lists: [try $0.revocationList(of: [leaf])])
        },
        ServerCase(
            "an intermediate that is revoked", reason: "authority's certificate (CN = Line CA) was revoked on 20"
        ) {
            let line = try line($0)
            let lists = [try line.revocationList(), try $0.revocationList(of: [line])]
            return .init(leaf: try leaf(line), chain: [line], lists: lists)
        },
        ServerCase("no list of the issuer", reason: "no revocation list of CN = Plant CA that can be used is in ") {
            let other = try ForgedCertificate(subject: "Other CA", isAuthority: true)
            return .init(leaf: try leaf($0), lists: [try other.revocationList()])
        },
        ServerCase("a list of the root alone", reason: "no revocation list of CN = Line CA that can be used is in ") {
            let line = try line($0)
            return .init(leaf: try leaf(line), chain: [line], lists: [try $0.revocationList()])
        },
        ServerCase("a list that has expired", reason: "the revocation list of CN = Plant CA has expired on 20") {
            .init(leaf: try leaf($0), lists: [try $0.revocationList(valid: -9000 ..< -60)])
        },
        ServerCase("a list of the root that has expired", reason: "revocation list of CN = Plant CA has expired on 20")
        {
            let line = try line($0)
            let lists = [try line.revocationList(), try $0.revocationList(valid: -9000 ..< -60)]
            return .init(leaf: try leaf(line), chain: [line], lists: lists)
        },
        ServerCase("a list that is not valid yet", reason: "is valid only from 20") {
            .init(leaf: try leaf($0), lists: [try $0.revocationList(valid: 3600..<9000)])
        },
        ServerCase("a list of the root that is not for authorities", reason: "cannot be used: different CRL scope") {
            let line = try line($0)
            let root = try $0.revocationList(extending: (NID_issuing_distribution_point, "critical,onlyuser:TRUE"))
            return .init(leaf: try leaf(line), chain: [line], lists: [try line.revocationList(), root])
        },
        ServerCase("a list of the root for one reason", reason: "no revocation list of CN = Plant CA that can be used")
        {
            let line = try line($0)
            let some = "critical,onlysomereasons:keyCompromise"
            let root = try $0.revocationList(extending: (NID_issuing_distribution_point, some))
            return .init(leaf: try leaf(line), chain: [line], lists: [try line.revocationList(), root])
        },
        ServerCase(
            "a list with what nobody understands", reason: "the revocation list of CN = Plant CA in "
        ) {
            let list = try $0.revocationList(extending: (NID_inhibit_any_policy, "critical,1"))
            return .init(leaf: try leaf($0), lists: [list])
        },
        ServerCase("a list that somebody else has signed", reason: "was not signed with its key") {
            let other = try ForgedCertificate(subject: "Plant CA", isAuthority: true)
            return .init(leaf: try leaf($0), lists: [try $0.revocationList(signedBy: other)])
        },
    ]

    private static let pins: [ServerCase] = [
        ServerCase("wrong pin", reason: "has another key than those pinned; its pin-sha256 is ") {
            .init(leaf: try leaf($0), pins: [[UInt8](repeating: 1, count: 32)])
        },
        ServerCase("the authority's pin", reason: "has another key than those pinned; its pin-sha256 is ") {
            .init(leaf: try leaf($0), chain: [$0], pins: [try pin($0)])
        },
        ServerCase("the right pin of a wrong certificate", reason: "certificate has expired on ") {
            let leaf = try leaf($0, valid: -86_400 ..< -60)
            return .init(leaf: leaf, pins: [try pin(leaf)])
        },
        ServerCase("not verified, and a wrong pin", reason: "has another key than those pinned") { _ in
            .init(
                leaf: try ForgedCertificate(subject: "b"), pins: [[UInt8](repeating: 1, count: 32)],
                verifiesPeer: false)
        },
    ]
}
