import ArgumentParser
import FoundationEssentials
import Gateway
import Glibc
import TLS

struct CertificateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "certificate",
        abstract: "Look at the gateway's certificates, ask an authority for one, import it.",
        discussion: """
            The identity "default" always exists, self-signed until a certificate is imported in its place; others are those \
            of tls: identities:. A running gateway serves a change at once.
            """,
        subcommands: [Show.self, Request.self, Import.self, Renew.self, Export.self])

    struct Show: AsyncParsableCommand {
        static let configuration = CommandConfiguration(abstract: "Show a certificate and what is to know about it.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @OptionGroup var identity: IdentityOption
        @Flag(help: "Every identity.") var all = false

        func run() async throws {
            let access = try CertificateAccess(path)
            let request = CertificateRequest.show(identity: all ? nil : identity.identity)
            guard case .certificates(let found) = try await access.perform(request) else { return }
            guard format.format == .text else { return try Terminal.json(found) }
            found.forEach { $0.show() }
        }
    }

    struct Request: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make a request (CSR, PKCS#10) for the plant's authority.",
            discussion: """
                It is signed with the key that the identity has, so that a pinned key stays, or with a new one that waits \
                beside it until its certificate is imported.
                """)

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @OptionGroup var identity: IdentityOption
        @Option(
            name: .customLong("name"),
            help: "A host name or address; may be given several times. Left out: those of this machine.")
        var names: [String] = []
        @Option(help: "As \"CN=press-shop,O=Plant\"; left out: the gateway's name.") var subject: String?
        @Option(
            defaultAsFlag: KeyKind.p256,
            help: "Make a new key: p256, p384 or rsa3072.")
        var newKey: KeyKind? = nil
        @Option(help: "A file that is not there yet; left out: standard output.") var out: String?

        func run() async throws {
            let access = try CertificateAccess(path)
            // Before a key is made for it.
            let file = try out.map { try NewFile($0) }
            let reply = try await access.perform(
                .request(identity: identity.identity, names: names, subject: subject, newKey: newKey))
            guard case .signingRequest(let made) = reply else { return }
            try file?.append(Array(made.pem.utf8))
            try file?.finish()
            if format.format == .json { return try Terminal.json(made) }
            if out == nil { try Terminal.put(Array(made.pem.utf8)) }
            Terminal.complain("request of \(made.identity) for \(made.names.joined(separator: ", "))")
            if let waiting = made.pendingKeyFile {
                Terminal.complain("its new key (\(made.key)) waits for the certificate in \(waiting)")
            } else {
                Terminal.complain("it is for the key that is in use (\(made.key), pin-sha256 \(made.pin))")
            }
            Terminal.complain("give it to the authority, then: sallyport certificate import FILE\(identity.words)")
        }
    }

    struct Import: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Put a certificate in the place of the present one: PEM, DER, PKCS#7 or PKCS#12.",
            discussion: """
                The key is the one in the files, else the one that waits since a request, else the present one. What does \
                not fit is refused, and the present certificate goes on. A password comes from the terminal without echo, \
                from standard input, one line, or from --password-file.
                """)

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @OptionGroup var identity: IdentityOption
        @Argument(help: "Files with the certificate, in any order.") var files: [String]
        @Option(help: "A file with its key.") var key: String?
        @Option(help: "A file with its intermediates; may be given several times.") var chain: [String] = []
        @Option(help: "A file with the password of the files that need one.") var passwordFile: String?

        func run() async throws {
            let access = try CertificateAccess(path)
            let (certificates, keys) = try await access.bundle(
                of: files + chain + (key.map { [$0] } ?? []), identity: identity.identity, passwordFile: passwordFile)
            let reply = try await access.perform(
                .importing(identity: identity.identity, certificates: certificates, keys: keys))
            guard case .certificateChange(let change) = reply else { return }
            try change.show(format.format, isRunning: access.isRunning)
        }
    }

    struct Renew: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Make the self-signed default certificate anew, with the present names of this machine.",
            discussion: "The key stays, so that a pinned key does; a certificate that was imported is not touched.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @OptionGroup var identity: IdentityOption
        @Option(
            defaultAsFlag: KeyKind.p256,
            help: "With a new key: p256, p384 or rsa3072.")
        var newKey: KeyKind? = nil

        func run() async throws {
            let access = try CertificateAccess(path)
            let reply = try await access.perform(.renew(identity: identity.identity, newKey: newKey))
            guard case .certificateChange(let change) = reply else { return }
            try change.show(format.format, isRunning: access.isRunning)
        }
    }

    struct Export: AsyncParsableCommand {
        enum Form: String, ExpressibleByArgument, CaseIterable {
            case pem
            case der
        }

        static let configuration = CommandConfiguration(
            abstract: "Print the certificate, for clients that are to trust it; never the key.")

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var identity: IdentityOption
        @Flag(help: "With its intermediates.") var chain = false
        @Option(help: "A file that is not there yet; left out: standard output.") var out: String?
        @Option(help: "pem or der.") var format: Form = .pem

        func run() async throws {
            guard !chain || format == .pem else {
                throw Failure.usage("DER holds one certificate: --chain goes with --format pem")
            }
            let access = try CertificateAccess(path)
            guard case .certificateChain(let found) = try await access.perform(.export(identity: identity.identity))
            else { return }
            let wanted = chain ? found : Array(found.prefix(1))
            let bytes = format == .der ? wanted.flatMap { [UInt8]($0) } : wanted.flatMap(Export.pem)
            guard let out else { return try Terminal.put(bytes) }
            let file = try NewFile(out)
            try file.append(bytes)
            try file.finish()
        }

        private static func pem(_ der: Data) -> [UInt8] {
            let text = Array(der.base64EncodedString())
            let lines = stride(from: 0, to: text.count, by: 64).map { String(text[$0..<min($0 + 64, text.count)]) }
            let all = ["-----BEGIN CERTIFICATE-----"] + lines + ["-----END CERTIFICATE-----", ""]
            return Array(all.joined(separator: "\n").utf8)
        }
    }
}

extension KeyKind: ExpressibleByArgument {}

/// `--identity NAME`.
struct IdentityOption: ParsableArguments {
    @Option(help: "A name of tls: identities:, or default.") var identity = "default"

    /// To be shown in a command.
    var words: String { identity == "default" ? "" : " --identity \(identity)" }
}

extension Terminal {
    fileprivate static func put(_ bytes: [UInt8]) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { write(STDOUT_FILENO, $0.baseAddress, $0.count) }
            guard count > 0 || errno == EINTR else {
                throw Failure.failed("standard output takes no more: \(String(cString: strerror(errno)))")
            }
            rest = rest.dropFirst(max(0, count))
        }
    }
}
