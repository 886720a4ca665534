import ArgumentParser
import Gateway

extension TagCommand {
    struct Write: ParsableCommand {
        static let configuration = CommandConfiguration(
            abstract: "Write a value to a tag, as a user.",
            discussion: """
                The user's password comes from the terminal without echo, or from standard input. Ends with 1 when the \
                device did not confirm the write.
                """)

        @OptionGroup var path: ConfigurationPath
        @OptionGroup var format: FormatOption
        @Option(help: "Who writes: a user, with the permissions of that user.")
        var user: String
        @Argument(help: "The tag's full name.")
        var name: String
        @Argument(help: "The value; an array as [1,2,3]. Put -- before a negative number.")
        var value: String

        func run() throws {
            let client = try path.connect()
            let password = try Terminal.password(of: user)
            try client.send(.write(WriteCommand(user: user, password: password, tag: name, value: value)))
            guard case .verdict(let verdict)? = try client.next() else {
                throw Failure.failed("the running gateway gave no verdict; look at the audit log")
            }
            if format.format == .json { try Terminal.json(verdict) }
            guard verdict.verdict == "applied" else {
                let code = verdict.code.map { $0 + ": " } ?? ""
                let sentence = "\(verdict.id): \(verdict.verdict): \(code)\(verdict.reason)"
                throw Failure.failed(format.format == .text ? sentence : "")
            }
            if format.format == .text { Terminal.say("\(verdict.id): applied") }
        }
    }
}
