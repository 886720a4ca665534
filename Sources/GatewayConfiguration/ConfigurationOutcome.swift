/// What reading a configuration brought: the configuration, unless any problem is an error, and every problem at once.
package struct ConfigurationOutcome: Sendable, Equatable {
    /// nil when any problem is an error.
    package var configuration: GatewayConfiguration?
    /// Errors and warnings in the order of the file; those of a tag file stand where the file is named.
    package var problems: [ConfigurationProblem]

    /// Where the gateway's state lies, also when the file has errors elsewhere: a running gateway can still be asked.
    package var dataDirectory: String?

    /// What could be read although there are errors: for who mends what they are about, such as a certificate that is
    /// not there yet. It is not to be run.
    package var readable: GatewayConfiguration?

    package init(
        configuration: GatewayConfiguration?, readable: GatewayConfiguration? = nil, dataDirectory: String?,
        problems: [ConfigurationProblem]
    ) {
        self.configuration = configuration
        self.readable = readable ?? configuration
        self.dataDirectory = dataDirectory
        self.problems = problems
    }

    package var errors: [ConfigurationProblem] { problems.filter { $0.severity == .error } }
    package var warnings: [ConfigurationProblem] { problems.filter { $0.severity == .warning } }
}
