import ArgumentParser
import Gateway
import Glibc

@main
struct Sallyport: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sallyport",
        abstract: "An industrial IoT gateway: from Modbus devices to MQTT brokers and REST clients.",
        version: "sallyport \(Version.number) (\(Version.commit))",
        subcommands: [
            RunCommand.self, CheckCommand.self, StatusCommand.self, TagCommand.self, DeviceCommand.self,
            UserCommand.self, GroupCommand.self, TokenCommand.self, PolicyCommand.self, CertificateCommand.self,
            AuditLogCommand.self, OutboxCommand.self, BrokerACLCommand.self,
        ])

    /// Exit codes by SURFACE: 0 done, 1 failed at run time, 2 usage or configuration.
    static func main() async {
        do {
            var command = try parseAsRoot()
            if var command = command as? any AsyncParsableCommand {
                try await command.run()
            } else {
                try command.run()
            }
        } catch let failure as Failure {
            if !failure.sentence.isEmpty { Terminal.complain("sallyport: \(failure.sentence)") }
            Glibc.exit(failure.code)
        } catch let error as GatewayError {
            Terminal.complain("sallyport: \(error.reason)")
            Glibc.exit(1)
        } catch {
            let text = fullMessage(for: error)
            if exitCode(for: error).isSuccess {
                print(text)
                Glibc.exit(0)
            }
            let isUsage = exitCode(for: error) == .validationFailure
            Terminal.complain(isUsage ? text : "sallyport: \(error)")
            Glibc.exit(isUsage ? 2 : 1)
        }
    }
}

/// An end with an exit code, and a sentence unless all was said before.
struct Failure: Error {
    let code: Int32
    let sentence: String

    /// 2: the configuration or the call is wrong.
    static func usage(_ sentence: String = "") -> Failure { Failure(code: 2, sentence: sentence) }
    /// 1: it did not work.
    static func failed(_ sentence: String = "") -> Failure { Failure(code: 1, sentence: sentence) }
}
