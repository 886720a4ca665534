extension HTTPRecorder {
    /// What the server does with requests. To set it begins its script anew.
    package struct Behaviour: Sendable {
        /// One step for each request, of all connections together; the last one is for all that follow.
        package var script: [Step] = [.reply(Reply())]
        /// Longer bodies get 413, are not recorded and take no step of the script.
        package var maximumBody: Int?
        /// A connection on which nothing comes for so long is closed.
        package var idleLimit: Duration?

        package init() {}

        package init(script: [Step]) { self.script = script }
    }

    package struct Reply: Sendable {
        package var status: Int
        package var headers: [String: String]
        package var body: String

        package init(_ status: Int = 200, headers: [String: String] = [:], body: String = "") {
            self.status = status
            self.headers = headers
            self.body = body
        }
    }

    /// What happens to one request. It is recorded first, with one exception.
    package enum Step: Sendable {
        case reply(Reply)
        /// The client must wait.
        case delayed(Duration, Reply = Reply())
        /// Closes as if it had crashed after its commit.
        case closeWithoutReply
        /// Reads, forgets and closes.
        case closeBeforeRecording
        /// RST instead of the reply.
        case replyLost
        /// 200, and a body that does not end until the client leaves.
        case endlessBody
        /// Headers that do not end until the client leaves.
        case endlessHeaders
        case oneBytePerSecond(Reply = Reply())
        /// Promises 100 bytes more than it sends, then closes.
        case wrongLength(Reply = Reply())
        /// 200 with so many megabytes of zeros in `Content-Encoding: gzip`.
        case gzipBomb(megabytes: Int)

        package static func status(_ status: Int, headers: [String: String] = [:], body: String = "") -> Step {
            .reply(Reply(status, headers: headers, body: body))
        }

        /// 307, which asks for the same method and body.
        package static func redirect(to location: String) -> Step {
            .reply(Reply(307, headers: ["Location": location]))
        }

        /// 207: a part of it was taken.
        package static func multiStatus(_ body: String) -> Step {
            .reply(Reply(207, headers: ["Content-Type": "application/json"], body: body))
        }
    }

    package struct Counters: Sendable {
        package var connections = 0
        /// When each was complete, the first 100 000: for the gaps between attempts.
        package var requests: [ContinuousClock.Instant] = []
        package var recorded = 0
        /// Recorded, and a 2xx reply was sent to its end.
        package var accepted = 0
        /// Replies that were sent to their end, by status.
        package var replies: [Int: Int] = [:]
        /// Requests that are not HTTP.
        package var malformed = 0
        /// Endless or slow replies that the client did not wait for.
        package var abandoned = 0
        /// What endless replies and bombs have sent at most to one request, bytes.
        package var mostSent = 0
        /// The file could not be written.
        package var failures = 0

        package init() {}
    }
}
