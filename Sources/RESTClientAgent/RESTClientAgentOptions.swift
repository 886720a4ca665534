package import Outbox
package import Publishing
package import TLS

/// One HTTP endpoint, as configured.
package struct RESTClientAgentOptions: Sendable, Equatable {
    package enum Method: String, Sendable, CaseIterable {
        case post = "POST"
        case put = "PUT"
    }

    /// Who we say we are, beside a client certificate.
    package enum Credentials: Sendable, Equatable {
        case none
        case basic(username: String, password: Secret)
        case bearer(Secret)
    }

    package enum Delivery: Sendable, Equatable {
        /// One request after the other: what waits is never overtaken.
        case ordered
        /// So many requests at once; which comes first is left to chance.
        case unordered(inFlight: Int)

        package static let mostInFlight = 16

        package var inFlight: Int {
            switch self {
            case .ordered: 1
            case .unordered(let inFlight): min(max(1, inFlight), Delivery.mostInFlight)
            }
        }
    }

    /// Of the whole gateway, which each request names.
    package var gateway: String
    package var name: String
    package var endpoint: EndpointURL
    package var method: Method
    package var headers: [EndpointHeader]
    package var mediaType: String
    package var credentials: Credentials
    /// For an answer; a large message gets more, by its size.
    package var timeout: Duration
    /// An HTTP proxy; nil: none, whatever the environment says.
    package var proxy: EndpointURL?
    package var tls: TLSClientOptions
    package var publish: PublishOptions
    package var outbox: OutboxOptions
    package var items: [ItemOptions]
    /// How often a message is sent that the endpoint refuses, before it is set aside.
    package var tries: Int
    package var delivery: Delivery

    package init(
        gateway: String = "sallyport", name: String, endpoint: EndpointURL, method: Method = .post,
        headers: [EndpointHeader] = [],
        mediaType: String = "application/json", credentials: Credentials = .none, timeout: Duration = .seconds(5),
        proxy: EndpointURL? = nil, tls: TLSClientOptions = .init(), publish: PublishOptions = .init(),
        outbox: OutboxOptions = .init(), items: [ItemOptions] = [], tries: Int = 3, delivery: Delivery = .ordered
    ) {
        self.gateway = gateway
        self.name = name
        self.endpoint = endpoint
        self.method = method
        self.headers = headers
        self.mediaType = mediaType
        self.credentials = credentials
        self.timeout = timeout
        self.proxy = proxy
        self.tls = tls
        self.publish = publish
        self.outbox = outbox
        self.items = items
        self.tries = tries
        self.delivery = delivery
    }

    /// Whether requests carry a secret, which needs TLS.
    package var sendsSecret: Bool {
        credentials != .none || headers.contains { EndpointHeader.isSecret($0.name) }
    }
}
