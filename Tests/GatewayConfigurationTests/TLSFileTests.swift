import GatewayConfiguration
import MQTTAgent
import RESTServerAgent
import TLS
import TestPeers
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Certificates and keys", .timeLimit(.minutes(5)))
struct TLSFileTests {
    private let directory: TemporaryDirectory

    init() throws {
        directory = try TemporaryDirectory()
        try directory.write("-----BEGIN CERTIFICATE-----\n", to: "c.pem")
        try directory.write("some text\n\n  -----BEGIN PRIVATE KEY-----\n", to: "k.pem")
        chmod(directory.file("k.pem"), 0o640)
    }

    private func load(_ certificate: String, _ key: String, agents: String) throws -> ConfigurationOutcome {
        let path = try directory.write(
            """
            version: 1
            gateway: { name: g }
            tls:
              minimum-version: 1.3
              identities: [{ name: factory, certificate: \(certificate), key: \(key) }]
            agents:
            \(agents)
            """, to: "gateway.yaml")
        return GatewayConfiguration.load(path: path, environment: [:])
    }

    private static let agents = """
        - &base { name: r, type: rest-server, tls: { identity: FACTORY }, items: [{ tags: _System._Date }] }
        - { <<: *base, name: s, port: 39321 }
        - { name: m, type: mqtt, url: "ssl://b", tls: { ca-file: c.pem, identity: factory }, items: [{ tags: _System._Date }] }
        """

    @Test func identitiesAreResolvedByName() throws {
        let outcome = try load("c.pem", "k.pem", agents: TLSFileTests.agents)
        #expect(outcome.problems == [])
        let configuration = try #require(outcome.configuration)
        let identity = TLSIdentityOptions(
            name: "factory", certificateFile: directory.file("c.pem"), keyFile: directory.file("k.pem"))
        #expect(configuration.identities == [identity])
        #expect(configuration.minimumTLSVersion == .v1_3)
        guard configuration.agents.count == 3, case .restServer(let first) = configuration.agents[0].options,
            case .restServer(let second) = configuration.agents[1].options,
            case .mqtt(let mqtt) = configuration.agents[2].options
        else {
            Issue.record("two REST servers and an MQTT agent")
            return
        }
        #expect(first.identity == identity)
        #expect(first.minimumVersion == .v1_3)
        #expect(second.identity == identity)
        #expect(second.name == "s")
        #expect(
            mqtt.tls == TLSClientOptions(caFile: directory.file("c.pem"), identity: identity, minimumVersion: .v1_3))
    }

    @Test func whatIsNotPEMOrOpenOrNoFileIsRefused() throws {
        try directory.write("DER", to: "c.der")
        chmod(directory.file("k.pem"), 0o644)
        let outcome = try load("c.der", "k.pem", agents: TLSFileTests.agents)
        #expect(
            outcome.errors.map(\.message) == [
                "the certificate \(directory.path)/c.der is not PEM (no line -----BEGIN …-----)",
                "the key \(directory.path)/k.pem is open to everybody on this machine (mode 0644): chmod 600 it, and "
                    + "replace it if others had access",
            ])
        mkdir(directory.file("folder"), 0o700)
        let folder = try load("folder", "k.pem", agents: TLSFileTests.agents)
        #expect(folder.errors.first?.message == "the certificate \(directory.path)/folder is not a regular file")
    }

    /// Also where the agent has its identity, or that it is off, from what it merges.
    @Test func aMissingFileIsAnErrorOnlyWhereAnEnabledAgentNeedsIt() throws {
        let merged = """
            - &base { name: r, type: rest-server, enabled: false, tls: { identity: factory }, items: [{ tags: _System._Date }] }
            - { <<: *base, name: s }
            """
        let disabled = try load("nowhere.pem", "k.pem", agents: merged)
        #expect(disabled.errors == [])
        #expect(disabled.warnings.count == 1)
        let enabled = try load(
            "nowhere.pem", "k.pem", agents: merged.replacing("name: s", with: "name: s, enabled: true"))
        #expect(enabled.errors.map(\.message) == ["the certificate \(directory.path)/nowhere.pem is not there"])
    }
}
