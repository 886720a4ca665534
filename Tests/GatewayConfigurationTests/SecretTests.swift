import GatewayConfiguration
import MQTTAgent
import TLS
import TestPeers
import Testing

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

@Suite("Secrets", .timeLimit(.minutes(5)))
struct SecretTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func load(
        _ reference: String, enabled: Bool = true, environment: [String: String] = [:]
    ) throws -> (secret: Secret?, outcome: ConfigurationOutcome) {
        let path = try directory.write(
            """
            version: 1
            gateway: { name: g }
            agents:
              - { name: m, type: mqtt, enabled: \(enabled), url: "ssl://b", username: u, items: [{ tags: _System._Date }], password: \(reference) }
            """, to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: environment)
        guard case .mqtt(let options)? = outcome.configuration?.agents.first?.options else { return (nil, outcome) }
        return (options.password, outcome)
    }

    @Test(arguments: [
        ("pass", "pass"), ("pass\n", "pass"), ("pass\r\n", "pass"), ("pass\n\n", "pass\n"), (" pass ", " pass "),
    ])
    func oneTrailingNewlineOfAFileIsDropped(_ content: String, _ secret: String) throws {
        try directory.write(content, to: "s")
        chmod(directory.file("s"), 0o640)
        #expect(try load("{ file: s }").secret == Secret(secret))
    }

    @Test func aFileThatOthersMayReadIsRefused() throws {
        try directory.write("pass\n", to: "s")
        chmod(directory.file("s"), 0o644)
        let outcome = try load("{ file: s }").outcome
        let message =
            "\"password\": the file \(directory.file("s")) is open to everybody on this machine (mode 0644): "
            + "chmod 600 it, and replace it if others had access"
        #expect(outcome.errors.map(\.message) == [message])
    }

    @Test(arguments: ["", "\n", "a\0b"])
    func anUnusableSecretIsRefused(_ content: String) throws {
        try directory.write(content, to: "s")
        chmod(directory.file("s"), 0o600)
        #expect(try load("{ file: s }").outcome.errors.count == 1)
        // Only a file has a newline that nobody meant.
        let variable = try load("{ environment: S }", environment: ["S": content]).outcome
        #expect(variable.errors.count == (content == "\n" ? 0 : 1))
    }

    @Test func environmentAndCredential() throws {
        #expect(try load("{ environment: S }", environment: ["S": "pass"]).secret == Secret("pass"))
        try directory.write("from systemd\n", to: "mqtt")
        let environment = ["CREDENTIALS_DIRECTORY": directory.path]
        #expect(try load("{ credential: mqtt }", environment: environment).secret == Secret("from systemd"))
        #expect(try load("{ credential: ../mqtt }", environment: environment).outcome.errors.count == 1)
        #expect(try load("{ credential: none }", environment: environment).outcome.errors.count == 1)
    }

    @Test func whatADisabledAgentMissesIsAWarning() throws {
        for reference in ["{ file: nowhere }", "{ environment: NOWHERE }", "{ credential: nowhere }"] {
            let outcome = try load(reference, enabled: false).outcome
            #expect(outcome.errors == [])
            #expect(outcome.warnings.count == 1)
            #expect(try load(reference).outcome.errors.count == 1)
        }
    }

    @Test func aPipeDoesNotHoldTheStart() throws {
        mkfifo(directory.file("s"), 0o600)
        #expect(try load("{ file: s }").outcome.errors.count == 1)
    }
}
