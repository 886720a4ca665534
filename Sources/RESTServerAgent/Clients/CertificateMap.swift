import TLS

/// Who the holder of a client certificate is, by the agent's `map`.
struct CertificateMap: Sendable {
    private enum Key: Sendable {
        case subject(DistinguishedName)
        case alternativeName(AlternativeName)

        func fits(_ certificate: ClientCertificate) -> Bool {
            switch self {
            case .subject(let name): certificate.subject == name
            case .alternativeName(let name): certificate.alternativeNames.contains(name)
            }
        }
    }

    let mode: ClientCertificateOptions.Mode
    private let lines: [(key: Key, identity: ClientCertificateOptions.Mapping.Identity)]

    /// A line that cannot be read fits nothing; the configuration has refused it.
    init(_ options: ClientCertificateOptions) {
        mode = options.mode
        lines = options.map.compactMap { line in
            switch line.key {
            case .subject(let text):
                guard let name = try? DistinguishedName(parsing: text), !name.isEmpty else { return nil }
                return (.subject(name), line.identity)
            case .alternativeName(let text):
                return AlternativeName(parsing: text).map { (.alternativeName($0), line.identity) }
            }
        }
    }

    /// The first line that fits; nil when none does.
    func identity(of certificate: ClientCertificate) -> ClientCertificateOptions.Mapping.Identity? {
        lines.first { $0.key.fits(certificate) }?.identity
    }
}
