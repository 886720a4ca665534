package import Subprocess

/// Runs a program that tells its life on standard error, for as long as the body takes.
///
/// - Parameters:
///   - isReady: the line after which the body begins.
///   - patience: how long it may take to end after SIGTERM, before it is killed.
///   - endsWell: whether this is how it should end, after SIGTERM at the latest; nil when the test does not care.
///   - body: gets the process identifier and the lines after the ready one.
package func withPeerProcess<Outcome: Sendable>(
    _ name: String, _ arguments: [String], patience: Duration = .seconds(5),
    isReady: @Sendable (String) -> Bool, endsWell: ((TerminationStatus) -> Bool)? = nil,
    _ body: (Int32, LineQueue<String>) async throws -> Outcome
) async throws -> Outcome {
    var options = PlatformOptions()
    options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: patience)]
    let steps = options.teardownSequence
    // Debian puts daemons where only root looks for programs. `env` execs: the identifier is the program's own.
    let programs = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
    let result = try await Subprocess.run(
        .name("env"), arguments: Arguments([name] + arguments),
        environment: .inherit.updating(["PATH": programs]), platformOptions: options, input: .none,
        output: .discarded, error: .sequence
    ) { execution in
        let log = LineQueue<String>(source: name)
        async let reading: Void = collect(execution.standardError, into: log)
        let outcome: Result<Outcome, any Error>
        do {
            _ = try await log.first(where: isReady)
            outcome = .success(try await body(execution.processIdentifier.value, log))
        } catch {
            outcome = .failure(error)
        }
        await execution.teardown(using: steps)
        try await reading
        return try outcome.get()
    }
    if let endsWell, !endsWell(result.terminationStatus) {
        throw TestPeerError("\(name) ended by \(result.terminationStatus)")
    }
    return result.closureResult
}

private func collect(_ output: SubprocessOutputSequence, into log: LineQueue<String>) async throws {
    for try await line in output.strings() {
        await log.append(line.last?.isNewline == true ? String(line.dropLast()) : line)
    }
    await log.finish()
}
