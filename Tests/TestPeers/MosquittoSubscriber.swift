import Subprocess

/// One message as `mosquitto_sub` received it.
package struct ReceivedMessage: Sendable, CustomStringConvertible {
    package let topic: String
    package let payload: [UInt8]
    package let qos: Int
    package let isRetained: Bool

    package var text: String { String(decoding: payload, as: UTF8.self) }
    package var description: String { "\(topic): \(text)" }

    /// A line of `--format "message %r %q %x %t"`: the topic last, because it may hold spaces.
    init?(line: String) {
        let parts = line.split(separator: " ", maxSplits: 4, omittingEmptySubsequences: false)
        guard parts.count == 5, parts[0] == "message", let qos = Int(parts[2]) else { return nil }
        isRetained = parts[1] == "1"
        self.qos = qos
        topic = String(parts[4])
        let digits = parts[3].utf8.compactMap { Character(UnicodeScalar($0)).hexDigitValue }
        guard digits.count == parts[3].utf8.count, digits.count.isMultiple(of: 2) else { return nil }
        payload = stride(from: 0, to: digits.count, by: 2).map { UInt8(digits[$0] << 4 | digits[$0 + 1]) }
    }
}

extension MosquittoBroker {
    /// Subscribes with `mosquitto_sub` for as long as the body takes; the broker has confirmed it when the body begins.
    ///
    /// - Parameter account: nil: over the plain listener; else over TLS.
    package func withSubscriber<Outcome: Sendable>(
        to topics: [String], as account: BrokerAccount? = .reader, qos: Int = 1,
        _ body: (LineQueue<ReceivedMessage>) async throws -> Outcome
    ) async throws -> Outcome {
        var arguments = ["-d", "-V", "mqttv5", "-h", "localhost", "-q", "\(qos)", "-F", "message %r %q %x %t"]
        if let account {
            arguments += ["-p", "\(tlsPort)", "--cafile", authority.certificateFile]
            arguments += ["-u", account.name, "-P", account.password]
        } else {
            arguments += ["-p", "\(plainPort)"]
        }
        for topic in topics { arguments += ["-t", topic] }
        var options = PlatformOptions()
        options.teardownSequence = [.gracefulShutDown(allowedDurationToNextStep: .seconds(5))]
        let steps = options.teardownSequence
        let result = try await Subprocess.run(
            .name("stdbuf"), arguments: Arguments(["-oL", "mosquitto_sub"] + arguments), platformOptions: options,
            input: .none, output: .sequence, error: .combinedWithOutput
        ) { execution in
            let notes = LineQueue<String>(source: "mosquitto_sub")
            let messages = LineQueue<ReceivedMessage>(source: "mosquitto_sub \(topics)")
            async let reading: Void = Self.read(execution.standardOutput, notes: notes, messages: messages)
            let outcome: Result<Outcome, any Error>
            do {
                _ = try await notes.first { $0.hasPrefix("Subscribed (mid") }
                outcome = .success(try await body(messages))
            } catch {
                outcome = .failure(error)
            }
            await execution.teardown(using: steps)
            try await reading
            return try outcome.get()
        }
        return result.closureResult
    }

    private static func read(
        _ output: SubprocessOutputSequence, notes: LineQueue<String>, messages: LineQueue<ReceivedMessage>
    ) async throws {
        for try await line in output.strings() {
            let line = line.last?.isNewline == true ? String(line.dropLast()) : line
            if let message = ReceivedMessage(line: line) {
                await messages.append(message)
            } else {
                await notes.append(line)
            }
        }
        await notes.finish()
        await messages.finish()
    }

    /// Publishes one message with `mosquitto_pub`.
    ///
    /// - Parameter account: nil: over the plain listener; else over TLS.
    package func publish(
        _ text: String, to topic: String, as account: BrokerAccount? = nil, qos: Int = 1, retain: Bool = false
    ) async throws {
        var arguments = ["-V", "mqttv5", "-h", "localhost", "-q", "\(qos)", "-t", topic, "-m", text]
        if retain { arguments.append("-r") }
        if let account {
            arguments += ["-p", "\(tlsPort)", "--cafile", authority.certificateFile]
            arguments += ["-u", account.name, "-P", account.password]
        } else {
            arguments += ["-p", "\(plainPort)"]
        }
        try await runCommand("mosquitto_pub", arguments)
    }
}
