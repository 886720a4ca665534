/// A user of the broker's TLS listener.
package struct BrokerAccount: Sendable {
    package let name: String
    package let password: String

    package init(_ name: String, password: String) {
        self.name = name
        self.password = password
    }

    /// May write what the gateway publishes and read its write topic.
    package static let gateway = BrokerAccount("gateway", password: "a gateway's password")
    /// May read what the gateway publishes.
    package static let reader = BrokerAccount("reader", password: "a reader's password")
}

/// What one test's mosquitto is started from: ports, certificates, accounts. It may be run several times, one after
/// the other, on the same ports.
package struct MosquittoPeer: Sendable {
    /// As recommendation R9 wants it, for the default topics.
    package static let defaultACL = """
        user gateway
        topic write iotgateway
        topic write iotgateway/status
        topic read iotgateway/write

        user reader
        topic read iotgateway
        topic read iotgateway/status

        """

    package let directory: TemporaryDirectory
    package let authority: DemoAuthority
    /// TLS, name and password, ACL.
    package let tlsPort: Int
    /// Neither TLS nor password; 127.0.0.1 only.
    package let plainPort: Int
    /// TLS with a client certificate of the authority, whose common name is the user; no ACL.
    package let mutualTLSPort: Int
    private let configurationFile: String

    /// - Parameters:
    ///   - serverNames: of the broker's certificate, as OpenSSL writes them.
    ///   - extraLines: put in front of the listeners' part of mosquitto.conf.
    package init(
        accounts: [BrokerAccount] = [.gateway, .reader], acl: String = defaultACL,
        authority: DemoAuthority? = nil, server: DemoAuthority.Identity? = nil, extraLines: [String] = []
    ) async throws {
        directory = try TemporaryDirectory()
        let usedAuthority: DemoAuthority
        if let authority { usedAuthority = authority } else { usedAuthority = try await DemoAuthority() }
        self.authority = usedAuthority
        let usedServer: DemoAuthority.Identity
        if let server { usedServer = server } else { usedServer = try await usedAuthority.issue("broker") }
        tlsPort = try freePort()
        plainPort = try freePort()
        mutualTLSPort = try freePort()
        let passwords = try directory.write(
            accounts.map { "\($0.name):\($0.password)\n" }.joined(), to: "passwords")
        try await runCommand("mosquitto_passwd", ["-U", passwords])
        let rights = try directory.write(acl, to: "acl")
        configurationFile = try directory.write(
            """
            per_listener_settings true
            user root
            persistence false
            log_dest stderr
            log_type all
            log_timestamp_format %H:%M:%S
            \(extraLines.joined(separator: "\n"))

            listener \(tlsPort) 127.0.0.1
            certfile \(usedServer.certificateFile)
            keyfile \(usedServer.keyFile)
            tls_version tlsv1.2
            allow_anonymous false
            password_file \(passwords)
            acl_file \(rights)

            listener \(plainPort) 127.0.0.1
            allow_anonymous true

            listener \(mutualTLSPort) 127.0.0.1
            cafile \(usedAuthority.certificateFile)
            certfile \(usedServer.certificateFile)
            keyfile \(usedServer.keyFile)
            tls_version tlsv1.2
            require_certificate true
            use_identity_as_username true
            allow_anonymous false

            """, to: "mosquitto.conf")
    }

    /// Runs the broker for as long as the body takes; it accepts connections when the body begins.
    package func run<Outcome: Sendable>(_ body: (MosquittoBroker) async throws -> Outcome) async throws -> Outcome {
        try await withPeerProcess("mosquitto", ["-c", configurationFile], isReady: { $0.hasSuffix(" running") }) {
            try await body(MosquittoBroker(peer: self, processIdentifier: $0, log: $1))
        }
    }
}

/// A mosquitto that is running.
package struct MosquittoBroker: Sendable {
    package let peer: MosquittoPeer
    package let processIdentifier: Int32
    /// Every line of its log; `first(where:)` takes lines away.
    package let log: LineQueue<String>

    package var authority: DemoAuthority { peer.authority }
    package var tlsPort: Int { peer.tlsPort }
    package var plainPort: Int { peer.plainPort }
    package var mutualTLSPort: Int { peer.mutualTLSPort }
}

/// Runs a mosquitto of its own for as long as the body takes.
package func withMosquitto<Outcome: Sendable>(
    accounts: [BrokerAccount] = [.gateway, .reader], acl: String = MosquittoPeer.defaultACL,
    _ body: (MosquittoBroker) async throws -> Outcome
) async throws -> Outcome {
    try await MosquittoPeer(accounts: accounts, acl: acl).run(body)
}
