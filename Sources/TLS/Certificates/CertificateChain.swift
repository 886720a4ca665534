import COpenSSL

/// A leaf with its issuers in order, picked out of whatever came with it.
struct CertificateChain {
    /// What is sent: leaf first, the root left out, unless the leaf is all there is.
    let sent: [Certificate]
    /// The root, where it came along.
    let root: Certificate?
    /// What belongs to nothing.
    let unrelated: [Certificate]

    /// Longer chains are no chains.
    private static let lengthLimit = 10

    /// - Parameter now: seconds since 1970.
    init(leaf: Certificate, among all: [Certificate], now: Int64) {
        var sent = [leaf]
        var rest = all.filter { $0 !== leaf && $0.der != leaf.der }
        var root: Certificate?
        while let last = sent.last, !last.isSelfSigned, sent.count < CertificateChain.lengthLimit {
            let issuers = rest.filter { last.isIssued(by: $0) }
            // Of several with the same key the valid one, then the one that ends the chain, then the one that lasts.
            let best = issuers.max { left, right in
                let leftRank = CertificateChain.rank(left, now), rightRank = CertificateChain.rank(right, now)
                return leftRank == rightRank ? left.validUntil < right.validUntil : leftRank < rightRank
            }
            guard let best else { break }
            rest.removeAll { $0 === best }
            if best.isSelfSigned {
                root = best
                break
            }
            sent.append(best)
        }
        self.sent = sent
        self.root = root
        unrelated = rest
    }

    private static func rank(_ certificate: Certificate, _ now: Int64) -> Int {
        let isValid = certificate.validFrom <= now && now <= certificate.validUntil
        return (isValid ? 2 : 0) + (certificate.isSelfSigned ? 1 : 0)
    }

    /// Who issued the last of them, where that one did not come along.
    var missingIssuer: String? {
        guard root == nil, let last = sent.last, !last.isSelfSigned else { return nil }
        return last.issuer
    }
}
