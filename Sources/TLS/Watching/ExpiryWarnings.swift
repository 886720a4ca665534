/// Which certificates are to be warned of: each once at 30, 14, 7 and 1 days left and once when it has ended, wherever
/// the clock jumps in between.
package struct ExpiryWarnings: Sendable {
    /// In days; 0 is the end.
    static let thresholds = [30, 14, 7, 1, 0]

    private struct Key: Hashable {
        let role: WatchedCertificate.Role
        let name: String
        let validUntil: Int64
    }

    /// The lowest threshold that was told of.
    private var told: [Key: Int] = [:]

    package init() {}

    /// Those that crossed a threshold since they were last looked at, the first look included.
    ///
    /// - Parameter now: seconds since 1970.
    package mutating func due(among certificates: [WatchedCertificate], now: Int64) -> [WatchedCertificate] {
        var kept: [Key: Int] = [:]
        var due: [WatchedCertificate] = []
        for certificate in certificates {
            let key = Key(role: certificate.role, name: certificate.name, validUntil: certificate.validUntil)
            let before = told[key]
            kept[key] = before
            guard let crossed = ExpiryWarnings.threshold(of: certificate, now: now), crossed < before ?? .max else {
                continue
            }
            kept[key] = crossed
            due.append(certificate)
        }
        told = kept
        return due
    }

    /// The lowest threshold that is crossed; nil when there is time.
    static func threshold(of certificate: WatchedCertificate, now: Int64) -> Int? {
        let left = certificate.validUntil - now
        if left < 0 { return 0 }
        return thresholds.last { days in
            guard days > 0, left <= Int64(days) * 86_400 else { return false }
            // A revocation list lives for days and is replaced long before its end: a warning a week ahead would be one
            // with every new list.
            guard certificate.role == .revocationList, let from = certificate.validFrom else { return true }
            return Int64(days) * 86_400 < (certificate.validUntil - from) / 2
        }
    }
}
