import COpenSSL

/// One X.509 revocation list; owns its `X509_CRL`.
@safe final class RevocationList: Sendable {
    // Never changed after; OpenSSL locks what it sorts in it.
    private nonisolated(unsafe) let pointer: OpaquePointer

    /// Takes over the caller's reference.
    init(takingOwnershipOf pointer: OpaquePointer) {
        unsafe self.pointer = pointer
    }

    deinit {
        unsafe X509_CRL_free(pointer)
    }

    /// Every list of a PEM file, or the one of a DER file; at least one.
    static func all(in bytes: [UInt8], path: String) throws(TLSError) -> [RevocationList] {
        if let list = RevocationList(der: bytes) { return try whole([list], path: path) }
        ERR_clear_error()
        let memory = try MemoryBIO(reading: bytes)
        var found: [RevocationList] = []
        while let next = unsafe PEM_read_bio_X509_CRL(memory.pointer, nil, noPassword, nil) {
            unsafe found.append(RevocationList(takingOwnershipOf: next))
        }
        guard OpenSSLErrors.takeLastReason() == PEM_R_NO_START_LINE else {
            throw TLSError(.contents, path: path, reason: "revocation list \(found.count + 1) in it is damaged")
        }
        guard !found.isEmpty else {
            throw TLSError(
                .contents, path: path,
                reason: "holds no revocation list, neither in PEM (-----BEGIN X509 CRL-----) nor in DER form")
        }
        return try whole(found, path: path)
    }

    /// OpenSSL takes a delta list for a whole one, and the newest of all counts: what only the base list names would pass.
    private static func whole(_ lists: [RevocationList], path: String) throws(TLSError) -> [RevocationList] {
        if let index = lists.firstIndex(where: \.isDelta) {
            throw TLSError(
                .contents, path: path,
                reason: "revocation list \(index + 1) in it is a delta, which names only what changed since another: "
                    + "put the complete (base) list there instead")
        }
        return lists
    }

    private var isDelta: Bool { unsafe X509_CRL_get_ext_by_NID(pointer, NID_delta_crl, -1) >= 0 }

    private convenience init?(der bytes: [UInt8]) {
        defer { ERR_clear_error() }
        var isWhole = false
        let parsed = unsafe bytes.withUnsafeBufferPointer { buffer -> OpaquePointer? in
            guard let start = buffer.baseAddress else { return nil }
            var cursor: UnsafePointer<UInt8>? = unsafe start
            let list = unsafe d2i_X509_CRL(nil, &cursor, buffer.count)
            isWhole = unsafe cursor == start + buffer.count
            return unsafe list
        }
        guard let parsed = unsafe parsed else { return nil }
        unsafe self.init(takingOwnershipOf: parsed)
        guard isWhole else { return nil }
    }

    /// Until there is to be another; nil when it does not say.
    var term: CertificateTerm? {
        guard let next = unsafe X509_CRL_get0_nextUpdate(pointer) else { return nil }
        return unsafe CertificateTerm(
            from: CertificateTime.seconds(X509_CRL_get0_lastUpdate(pointer)), until: CertificateTime.seconds(next))
    }

    /// Whether it bears this issuer's name.
    func isOf(_ issuer: OpaquePointer?) -> Bool {
        unsafe X509_NAME_cmp(X509_CRL_get_issuer(pointer), issuer) == 0
    }

    /// False when OpenSSL has no memory. The store takes a reference of its own.
    func add(to store: OpaquePointer) -> Bool {
        unsafe X509_STORE_add_crl(store, pointer) == 1
    }

    /// A digest of the issuer and the serial numbers, whatever their order.
    var revoked: String {
        let entries = unsafe X509_CRL_get_REVOKED(pointer)
        var serials: [[UInt8]] = []
        for index in 0..<max(0, unsafe sallyport_revoked_count(entries)) {
            let number = unsafe X509_REVOKED_get0_serialNumber(sallyport_revoked_at(entries, index))
            guard let start = unsafe ASN1_STRING_get0_data(number) else { continue }
            serials.append(
                unsafe Array(UnsafeBufferPointer(start: start, count: Int(max(0, ASN1_STRING_length(number))))))
        }
        serials.sort { $0.lexicographicallyPrecedes($1) }
        let issuer = unsafe X509_NAME_hash_ex(X509_CRL_get_issuer(pointer), nil, nil, nil)
        var bytes = Array("\(issuer)".utf8)
        for serial in serials { bytes += Array("/\(serial.count):".utf8) + serial }
        return Digest.text(Digest.sha256(bytes))
    }
}

enum Digest {
    /// 32 bytes.
    static func sha256(_ bytes: [UInt8]) -> [UInt8] {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var count: UInt32 = 0
        guard unsafe EVP_Digest(bytes, bytes.count, &digest, &count, EVP_sha256(), nil) == 1 else { return [] }
        return Array(digest.prefix(Int(count)))
    }

    /// Two hexadecimal digits a byte.
    static func text(_ bytes: [UInt8]) -> String {
        bytes.map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined()
    }
}
