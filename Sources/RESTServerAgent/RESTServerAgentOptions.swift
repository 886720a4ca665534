package import Publishing
package import TLS

/// One HTTP(S) listener, as configured.
package struct RESTServerAgentOptions: Sendable, Equatable {
    package enum ArrayValues: String, Sendable, CaseIterable {
        /// A JSON array.
        case array
        /// A JSON text inside a string.
        case string
    }

    /// Hitting one degrades that request or connection and says so.
    package struct Limits: Sendable, Equatable {
        package var connections: Int
        package var connectionsPerAddress: Int
        /// Bytes.
        package var body: Int
        package var requestTimeout: Duration
        package var idsPerRequest: Int
        /// Open at a time; each is a connection too.
        package var streams: Int

        package init(
            connections: Int = 512, connectionsPerAddress: Int = 64, body: Int = 1 << 20,
            requestTimeout: Duration = .seconds(15), idsPerRequest: Int = 10_000, streams: Int = 256
        ) {
            self.connections = connections
            self.connectionsPerAddress = connectionsPerAddress
            self.body = body
            self.requestTimeout = requestTimeout
            self.idsPerRequest = idsPerRequest
            self.streams = streams
        }
    }

    package var name: String
    /// An address or an interface name.
    package var bind: String
    package var port: UInt16
    package var https: Bool
    /// nil: the default self-signed identity.
    package var identity: TLSIdentityOptions?
    package var minimumVersion: TLSVersion
    package var clientCertificates: ClientCertificateOptions
    /// Empty: everybody.
    package var allowFrom: [IPNetwork]
    /// Whose `X-Forwarded-For` is believed.
    package var trustedProxies: [IPNetwork]
    /// Whether who does not log in is let in, as the principal `anonymous`.
    package var anonymous: Bool
    /// Off: nobody writes through this agent, administrators included.
    package var writeEndpoint: Bool
    package var corsAllowedOrigins: [String]
    package var arrayValues: ArrayValues
    package var limits: Limits
    /// Only tags matched by these exist through this agent.
    package var items: [ItemOptions]

    package init(
        name: String, bind: String = "127.0.0.1", port: UInt16 = 39320, https: Bool = true,
        identity: TLSIdentityOptions? = nil, minimumVersion: TLSVersion = .v1_2,
        clientCertificates: ClientCertificateOptions = .init(), allowFrom: [IPNetwork] = [],
        trustedProxies: [IPNetwork] = [], anonymous: Bool = false, writeEndpoint: Bool = false,
        corsAllowedOrigins: [String] = [],
        arrayValues: ArrayValues = .array, limits: Limits = .init(), items: [ItemOptions] = []
    ) {
        self.name = name
        self.bind = bind
        self.port = port
        self.https = https
        self.identity = identity
        self.minimumVersion = minimumVersion
        self.clientCertificates = clientCertificates
        self.allowFrom = allowFrom
        self.trustedProxies = trustedProxies
        self.anonymous = anonymous
        self.writeEndpoint = writeEndpoint
        self.corsAllowedOrigins = corsAllowedOrigins
        self.arrayValues = arrayValues
        self.limits = limits
        self.items = items
    }
}
