import Foundation
import NIOHTTP1
import Synchronization
import TestPeers

@testable import RESTServerAgent

/// Answers of a listener beside the documents that describe them, for conformance.py.
final class RecordedAnswers: Sendable {
    private let directory: TemporaryDirectory
    private let lines = Mutex<[String]>([])
    private let documents = Mutex<[String]>([])
    /// By path and method.
    private let seen = Mutex<[String: [String: Set<Int>]]>([:])

    init() throws {
        directory = try TemporaryDirectory()
    }

    func add(document: String, json: String) throws {
        let path = try directory.write(json, to: document)
        documents.withLock { $0.append(path) }
    }

    /// - Parameter path: without the query; empty where the request is none.
    func add(_ document: String, _ method: String, _ path: String, _ response: RawConnection.Response) throws {
        let line: [String: Any] = [
            "document": document, "method": method, "path": path, "status": response.status,
            "headers": response.headers, "body": response.body,
        ]
        let data = try JSONSerialization.data(withJSONObject: line, options: .withoutEscapingSlashes)
        lines.withLock { $0.append(String(decoding: data, as: UTF8.self)) }
        seen.withLock { _ = $0[path, default: [:]][method, default: []].insert(response.status) }
    }

    /// By method.
    func statuses(of path: String) -> [String: Set<Int>] { seen.withLock { $0[path] ?? [:] } }

    var count: Int { lines.withLock { $0.count } }

    /// What another's validators say of them all: nothing but their number when all is well.
    func faults() async throws -> [String] {
        let answers = try directory.write(lines.withLock { $0.joined(separator: "\n") }, to: "answers.jsonl")
        return try await HostilePeers.run("conformance.py", [answers] + documents.withLock { $0 })
    }
}
