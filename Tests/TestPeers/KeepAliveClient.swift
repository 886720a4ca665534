import FoundationEssentials
import Subprocess

/// An HTTPS client that keeps its connection open and asks when it is told to: what `curl` cannot do.
///
/// One request at a time: a client belongs to one task.
package struct KeepAliveClient: Sendable {
    package struct Answer: Sendable, Decodable {
        /// 0 when there was no answer.
        package let status: Int
        /// Names in lower case.
        package let headers: [String: String]
        package let body: String
        /// The client's own port: the same as long as the connection is.
        package let port: Int
        /// Why there was no answer; empty else.
        package let error: String
    }

    private struct Request: Encodable {
        let method: String
        let path: String
        let headers: [String: String]
        let body: String?
    }

    private let writer: StandardInputWriter
    private let answers: LineQueue<String>

    fileprivate init(writer: StandardInputWriter, answers: LineQueue<String>) {
        self.writer = writer
        self.answers = answers
    }

    /// - Parameters:
    ///   - path: with `/iotgateway`.
    ///   - authorization: the header's value.
    package func ask(
        _ path: String, authorization: String? = nil, body: String? = nil, headers: [String: String] = [:]
    ) async throws -> Answer {
        var headers = headers
        headers["Authorization"] = authorization
        let request = Request(method: body == nil ? "GET" : "POST", path: path, headers: headers, body: body)
        var line = [UInt8](try JSONEncoder().encode(request))
        line.append(UInt8(ascii: "\n"))
        _ = try await writer.write(line)
        let answer = try await answers.next(within: .seconds(90))
        return try JSONDecoder().decode(Answer.self, from: Data(answer.utf8))
    }

    /// The value of an `Authorization` header for `name:password`.
    package static func basic(_ credentials: String) -> String {
        "Basic \(Data(credentials.utf8).base64EncodedString())"
    }
}

/// Runs a client for as long as the body takes. It connects with its first request.
///
/// - Parameters:
///   - source: the address that it comes from.
///   - authority: a PEM file.
///   - identity: what it shows of itself.
package func withKeepAliveClient<Outcome: Sendable>(
    port: Int, from source: String = "127.0.0.1", authority: String, as identity: DemoAuthority.Identity? = nil,
    _ body: (KeepAliveClient) async throws -> Outcome
) async throws -> Outcome {
    let shown = identity.map { [$0.certificateFile, $0.keyFile] } ?? []
    let result = try await Subprocess.run(
        .name("python3"),
        arguments: Arguments(
            ["\(packageRoot)/Tests/TestPeers/keepalive.py", "127.0.0.1", "\(port)", source, authority] + shown),
        input: .inputWriter, output: .discarded, error: .sequence
    ) { execution in
        let lines = LineQueue<String>(source: "keepalive.py")
        async let reading: Void = read(execution.standardError, into: lines)
        let outcome: Result<Outcome, any Error>
        do {
            _ = try await lines.first { $0 == "ready" }
            outcome = .success(
                try await body(KeepAliveClient(writer: execution.standardInputWriter, answers: lines)))
        } catch {
            outcome = .failure(error)
        }
        try await execution.standardInputWriter.finish()
        await execution.teardown(using: [.gracefulShutDown(allowedDurationToNextStep: .seconds(2))])
        try await reading
        return try outcome.get()
    }
    return result.closureResult
}

private func read(_ output: SubprocessOutputSequence, into lines: LineQueue<String>) async throws {
    for try await line in output.strings() {
        await lines.append(line.last?.isNewline == true ? String(line.dropLast()) : line)
    }
    await lines.finish()
}
