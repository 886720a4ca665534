import COpenSSL

extension IdentityStore {
    /// What an import came to.
    package struct Import: Sendable, Equatable {
        package let identity: TLSIdentity
        /// Of the certificate that was there.
        package let oldFingerprint: String?
        /// False where the same certificate was there already.
        package let isChanged: Bool
        /// What was done to make it fit.
        package let notes: [String]
        /// What somebody should look at.
        package let warnings: [String]
    }

    /// Puts a certificate in the place of the identity's, if everything about it is right; else nothing changes.
    ///
    /// The key is the one that belongs to a certificate of the bundle: of the bundle's keys; without any, of those that
    /// wait for a certificate and of the identity's own.
    ///
    /// - Parameter now: seconds since 1970; nil asks the clock.
    @discardableResult
    package func importing(_ bundle: CertificateBundle, now: Int64? = nil) throws(TLSError) -> Import {
        let now = now ?? CertificateTime.now
        var certificates: [Certificate] = []
        for der in bundle.certificates.prefix(CertificateBundle.certificateLimit) {
            guard let certificate = Certificate(der: der) else {
                throw TLSError(.contents, reason: "certificate \(certificates.count + 1) is damaged")
            }
            certificates.append(certificate)
        }
        guard !certificates.isEmpty else {
            throw TLSError(.contents, reason: "there is no certificate in what was given, only a key")
        }
        let (leaf, key) = try match(certificates, bundle.keys, now: now)
        let chain = CertificateChain(leaf: leaf, among: certificates, now: now)
        try check(leaf, now: now)
        guard key.isConsistent else {
            throw TLSError(.contents, reason: "the private key is damaged: its two halves do not belong together")
        }
        try check(issuers: chain.sent.dropFirst() + (chain.root.map { [$0] } ?? []), now: now)
        let size = chain.sent.reduce(0) { $0 + $1.der.count }
        guard size <= IdentityStore.chainLimit else {
            throw TLSError(
                .contents,
                reason: "the certificate with its chain takes \(size) bytes; clients refuse more than "
                    + "\(IdentityStore.chainLimit)")
        }
        let identity = try TLSIdentity(
            name: options.name, chain: chain.sent, key: key, path: options.certificateFile, keyPath: options.keyFile,
            now: now)
        // Listeners have another library, which must take it too.
        _ = try ServerTLS(identity: identity)
        let (notes, warnings) = remarks(chain, certificates, now: now)
        let old = try? files.read()
        let isSame = old.map { old in
            old.chain.map(\.der) == chain.sent.map(\.der) && old.chain.first?.matches(old.key) == true
        }
        let isChanged = isSame != true
        try pending.makeFolder()
        if isChanged { try files.replace(chain: chain.sent, key: key) }
        pending.remove(key)
        return Import(
            identity: identity, oldFingerprint: old?.chain.first?.fingerprint, isChanged: isChanged, notes: notes,
            warnings: warnings)
    }

    /// The leaf, by the key that is here.
    private func match(
        _ certificates: [Certificate], _ given: [Secret], now: Int64
    ) throws(TLSError) -> (Certificate, PrivateKey) {
        var keys: [PrivateKey] = []
        var unread: TLSError?
        for secret in given.prefix(CertificateBundle.keyLimit) {
            guard let key = PrivateKey(der: secret.bytes) else {
                throw TLSError(.contents, reason: "the private key is damaged")
            }
            keys.append(key)
        }
        if keys.isEmpty {
            keys = pending.keys().map(\.key)
            do throws(TLSError) {
                if let present = try files.presentKey() { keys.append(present) }
            } catch {
                unread = error
            }
        }
        for key in keys {
            // Several with one key: of those that are valid, the newest.
            let own = certificates.filter { $0.matches(key) }
            let leaf = own.max { left, right in
                let isLeft = left.validFrom <= now && now <= left.validUntil
                let isRight = right.validFrom <= now && now <= right.validUntil
                return isLeft == isRight ? left.validFrom < right.validFrom : isRight
            }
            if let leaf { return (leaf, key) }
        }
        let subjects = certificates.filter { !$0.isAuthority }.map { quoted($0.subject) }
        let which =
            certificates.count == 1
            ? "the certificate \(quoted(certificates[0].subject))"
            : "any of the \(certificates.count) certificates"
                + (subjects.isEmpty ? "" : " (\(subjects.prefix(4).joined(separator: ", ")))")
        guard given.isEmpty else {
            throw TLSError(.mismatch, reason: "the key that was given does not belong to \(which)")
        }
        if var unread {
            unread.reason += "; it may be the key of \(which), and no other is here"
            throw unread
        }
        throw TLSError(
            .mismatch,
            reason: "no key here belongs to \(which): give it with --key FILE, or ask the authority for a "
                + "certificate with sallyport certificate request")
    }

    /// - Parameter given: in the order of the files.
    private func remarks(
        _ chain: CertificateChain, _ given: [Certificate], now: Int64
    ) -> (notes: [String], warnings: [String]) {
        var notes: [String] = []
        var warnings: [String] = []
        guard let leaf = chain.sent.first else { return (notes, warnings) }
        let order = chain.sent.compactMap { sent in given.firstIndex { $0 === sent } }
        if order != order.sorted() { notes.append("the chain was not in order: the leaf comes first now") }
        if let root = chain.root {
            notes.append("the root \(quoted(root.subject)) is left out: clients have it, or do not trust it")
        }
        for other in chain.unrelated.prefix(8) {
            notes.append("left out, it is not in the chain: \(quoted(other.subject))")
        }
        if chain.unrelated.count > 8 { notes.append("left out as well: \(chain.unrelated.count - 8) more") }
        if leaf.isSelfSigned {
            if !leaf.isMadeHere {
                warnings.append("it is self-signed: every client must be given it before it trusts this gateway")
            }
        } else if let issuer = chain.missingIssuer, chain.sent.count > 1 {
            notes.append("its chain ends below \(quoted(issuer)), which is right if that is a root: clients have it")
        } else if let issuer = chain.missingIssuer {
            warnings.append(
                "its issuer \(quoted(issuer)) is not among the files: that is right for a root; an intermediate must "
                    + "be imported with it (--chain FILE), or clients that do not know it refuse the certificate")
        }
        if leaf.isAuthority {
            warnings.append("it may issue other certificates (CA:TRUE), which the certificate of a server should not")
        }
        for (index, sent) in chain.sent.enumerated() {
            let days = (sent.validUntil - now) / 86_400
            guard days < 30 else { continue }
            let what = index == 0 ? "it" : "the authority's certificate \(quoted(sent.subject))"
            warnings.append("\(what) expires on \(CertificateTime.text(sent.validUntil)), in \(days) days")
        }
        if purposes.contains(.server) || purposes.isEmpty && leaf.serves(.server) {
            let missing = missingNames(in: leaf)
            if !missing.isEmpty {
                warnings.append(
                    "it does not name \(missing.joined(separator: ", ")): clients that use these names refuse it")
            }
        }
        return (notes, warnings)
    }

    /// What clients may ask for and the certificate does not hold.
    func missingNames(in leaf: Certificate) -> [String] {
        (leaf.isMadeHere ? names : askedNames.withoutLoopback).missing(in: leaf.alternativeNames)
    }
}
