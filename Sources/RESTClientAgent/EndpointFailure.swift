/// Why a request got no answer.
package struct EndpointFailure: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// Name not found, nothing listens, reset, silence: the network's or the endpoint's trouble, soon over.
        case network
        /// The certificate was not accepted, by us or by the endpoint.
        case tls
        /// What came is not HTTP, or more of it than anybody needs.
        case protocolError = "protocol-error"
        /// The proxy does not let us through.
        case proxy
    }

    package let kind: Kind
    package let reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    package var description: String { reason }
}
