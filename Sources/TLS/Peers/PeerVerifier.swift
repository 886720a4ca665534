import COpenSSL

/// Judges the certificates that a peer shows: one set of rules for every library that makes connections of ours.
///
/// The chain must end at an authority that is trusted, be valid now, be meant for the purpose, be strong in every key and
/// signature (112 bits), name the host among its alternative names where there is one, and stand on no revocation list.
/// A pin comes on top. Whatever the library at hand has loaded, set or forgotten, only this counts: the store is our own.
@safe package final class PeerVerifier: Sendable {
    package enum Purpose: Sendable {
        /// The peer serves; its certificate is for a host.
        case server
        /// The peer logs in with it.
        case client
    }

    /// What a peer may show. Real chains have two to four.
    static let longestChain = 16
    /// Authorities between a peer's certificate and the one that is trusted.
    private static let deepest: Int32 = 8
    /// OpenSSL's level 2: 112 bits for every key and signature.
    private static let strength: Int32 = 2

    let host: String
    let purpose: Purpose
    private let pins: [[UInt8]]
    private let verifiesPeer: Bool
    private let lists: RevocationLists?
    // Set up before it is shared and never changed after; OpenSSL locks what it looks up in it.
    private nonisolated(unsafe) let store: OpaquePointer

    /// For a client of ours that connects to `host`. Reads the files: not for the cooperative thread pool.
    package convenience init(options: TLSClientOptions, host: String) throws(TLSError) {
        let lists: RevocationLists? =
            if let file = options.revocationFile { try RevocationLists.load(path: file) } else { nil }
        let authorities: [Certificate]? =
            if let file = options.caFile {
                try Certificate.all(inPEM: BoundedFile(path: file).bytes, path: file)
            } else {
                nil
            }
        try self.init(
            authorities: authorities, lists: lists, purpose: .server, host: host, pins: options.pins,
            verifiesPeer: options.verifiesPeer)
    }

    /// - Parameters:
    ///   - authorities: nil: the system's.
    ///   - host: the name or address that the certificate must be for; nil: any, for peers that are clients.
    ///   - pins: SHA-256 of the public keys of which the peer's own certificate must have one; empty: any.
    ///   - verifiesPeer: false: nothing but the pins is looked at.
    init(
        authorities: [Certificate]?, lists: RevocationLists?, purpose: Purpose, host: String?, pins: [[UInt8]] = [],
        verifiesPeer: Bool = true
    ) throws(TLSError) {
        ERR_clear_error()
        guard let made = unsafe X509_STORE_new() else { throw Self.libraryError() }
        unsafe store = made
        self.host = host ?? ""
        self.purpose = purpose
        self.pins = pins
        self.verifiesPeer = verifiesPeer
        self.lists = lists
        try unsafe Self.set(purpose, host: host, in: made)
        if let authorities {
            for authority in authorities {
                let added = unsafe authority.withUnsafePointer { unsafe X509_STORE_add_cert(made, $0) }
                guard added == 1 else { throw Self.libraryError() }
            }
        } else {
            guard unsafe X509_STORE_set_default_paths(made) == 1 else { throw Self.libraryError() }
        }
        if let lists {
            guard unsafe lists.add(to: made),
                unsafe X509_STORE_set_flags(made, UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)) == 1
            else { throw Self.libraryError() }
        }
    }

    deinit {
        unsafe X509_STORE_free(store)
    }

    /// Why a peer that shows this chain is refused; nil when it is not. Bounded work, though not for an event loop: a
    /// large revocation list is hashed each time, and the system's authorities are read from the disk.
    ///
    /// - Parameter chain: DER, the peer's own certificate first.
    package func refusal(of chain: [[UInt8]]) -> String? {
        guard let first = chain.first else { return "no certificate was shown" }
        guard chain.count <= Self.longestChain else { return PeerFault.tooMany(chain.count).reason }
        guard let leaf = Certificate(der: first) else { return "certificate cannot be read" }
        guard let shown = unsafe sallyport_certificates_new() else { return "there is no memory to check it" }
        defer { unsafe sallyport_certificates_free(shown) }
        for (index, der) in chain.enumerated().dropFirst() {
            guard let certificate = Certificate(der: der) else { return "certificate \(index + 1) cannot be read" }
            let isAdded = unsafe certificate.withUnsafePointer { unsafe sallyport_certificates_add(shown, $0) == 1 }
            guard isAdded else { return "there is no memory to check it" }
        }
        return unsafe leaf.withUnsafePointer { unsafe fault(of: $0, among: shown)?.reason }
    }

    /// - Parameters:
    ///   - leaf: the peer's own `X509`.
    ///   - shown: what it showed beside it, in any order, a `STACK_OF(X509)`.
    func fault(of leaf: OpaquePointer, among shown: OpaquePointer?) -> PeerFault? {
        defer { ERR_clear_error() }
        if verifiesPeer, let fault = unsafe chainFault(of: leaf, among: shown) { return fault }
        guard !pins.isEmpty else { return nil }
        guard let certificate = unsafe Certificate(sharing: leaf) else { return .library }
        return pins.contains(certificate.publicKeyDigest) ? nil : .wrongPin(certificate)
    }

    private func chainFault(of leaf: OpaquePointer, among shown: OpaquePointer?) -> PeerFault? {
        let count = unsafe Int(sallyport_certificates_count(shown))
        guard count <= Self.longestChain else { return .tooMany(count) }
        // OpenSSL looks at revocation before signatures: who only writes an authority's name into a certificate could have
        // us hash a large list with each handshake. So the chain must be good before a list is looked at.
        if lists != nil, let fault = unsafe chainFault(of: leaf, among: shown, looksAtLists: false) { return fault }
        return unsafe chainFault(of: leaf, among: shown, looksAtLists: lists != nil)
    }

    private func chainFault(
        of leaf: OpaquePointer, among shown: OpaquePointer?, looksAtLists: Bool
    ) -> PeerFault? {
        guard let context = unsafe X509_STORE_CTX_new() else { return .library }
        defer { unsafe X509_STORE_CTX_free(context) }
        let judgement = Judgement(by: self)
        let revocation = UInt(X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL)
        guard unsafe X509_STORE_CTX_init(context, store, leaf, shown) == 1,
            unsafe looksAtLists
                || X509_VERIFY_PARAM_clear_flags(X509_STORE_CTX_get0_param(context), revocation) == 1,
            unsafe X509_STORE_CTX_set_ex_data(context, 0, Unmanaged.passUnretained(judgement).toOpaque()) == 1
        else { return .library }
        unsafe X509_STORE_CTX_set_verify_cb(context) { accepted, context in
            guard accepted == 0, let context = unsafe context,
                let judgement = unsafe X509_STORE_CTX_get_ex_data(context, 0)
            else { return accepted }
            return unsafe Unmanaged<Judgement>.fromOpaque(judgement).takeUnretainedValue().hears(context)
        }
        let code = withExtendedLifetime(judgement) { unsafe X509_verify_cert(context) }
        guard code != 1 else { return nil }
        return unsafe judgement.fault ?? PeerFault(context, purpose: purpose, host: host, lists: lists)
    }

    /// One look at one chain, for as long as it takes.
    private final class Judgement {
        private let verifier: PeerVerifier
        private(set) var fault: PeerFault?

        init(by verifier: PeerVerifier) { self.verifier = verifier }

        /// Answers OpenSSL's question whether an error is one. The words are made here: afterwards the list that it is
        /// about is gone from the context.
        func hears(_ context: OpaquePointer) -> Int32 {
            if unsafe needsNoList(context) {
                unsafe X509_STORE_CTX_set_error(context, X509_V_OK)
                return 1
            }
            fault =
                unsafe fault
                ?? PeerFault(context, purpose: verifier.purpose, host: verifier.host, lists: verifier.lists)
            return 0
        }

        /// Of the peer's own issuer there must be a list. Of the authorities above there may be: many roots publish none.
        private func needsNoList(_ context: OpaquePointer) -> Bool {
            guard unsafe X509_STORE_CTX_get_error(context) == X509_V_ERR_UNABLE_TO_GET_CRL,
                unsafe X509_STORE_CTX_get_error_depth(context) > 0,
                let current = unsafe X509_STORE_CTX_get_current_cert(context)
            else { return false }
            // One that bears the issuer's name but does not serve is no reason to go on without.
            return unsafe verifier.lists?.hasList(of: X509_get_issuer_name(current)) == false
        }
    }

    private static func set(_ purpose: Purpose, host: String?, in store: OpaquePointer) throws(TLSError) {
        guard let parameters = unsafe X509_STORE_get0_param(store) else { throw libraryError() }
        let (meant, trust) =
            switch purpose {
            case .server: (X509_PURPOSE_SSL_SERVER, X509_TRUST_SSL_SERVER)
            case .client: (X509_PURPOSE_SSL_CLIENT, X509_TRUST_SSL_CLIENT)
            }
        guard unsafe X509_VERIFY_PARAM_set_purpose(parameters, meant) == 1,
            unsafe X509_VERIFY_PARAM_set_trust(parameters, trust) == 1
        else { throw libraryError() }
        unsafe X509_VERIFY_PARAM_set_auth_level(parameters, strength)
        unsafe X509_VERIFY_PARAM_set_depth(parameters, deepest)
        guard let host else { return }
        // The subject does not count, and a wildcard is a whole label.
        unsafe X509_VERIFY_PARAM_set_hostflags(
            parameters, UInt32(X509_CHECK_FLAG_NEVER_CHECK_SUBJECT | X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS))
        if let address = IPAddressText(host) {
            guard unsafe X509_VERIFY_PARAM_set1_ip(parameters, address.bytes, address.bytes.count) == 1 else {
                throw libraryError()
            }
            return
        }
        let name = try plainName(host)
        guard unsafe X509_VERIFY_PARAM_set1_host(parameters, name, name.utf8.count) == 1 else {
            throw libraryError()
        }
    }

    /// A dot in front would make OpenSSL accept any name below it; one at the end stands in no certificate.
    private static func plainName(_ host: String) throws(TLSError) -> String {
        let name = host.hasSuffix(".") ? String(host.dropLast()) : host
        let isPlain = name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
                true
            default: false
            }
        }
        guard !name.isEmpty, name.utf8.count <= 253, !name.hasPrefix("."), isPlain else {
            throw TLSError(.host, reason: "\"\(host.prefix(64))\" is neither a host name nor an address")
        }
        return name
    }

    private static func libraryError() -> TLSError {
        TLSError(.library, reason: "OpenSSL cannot set up the check of certificates: \(OpenSSLErrors.take())")
    }
}
