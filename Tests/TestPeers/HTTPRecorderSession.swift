/// One client of the recorder, on a thread of its own.
struct HTTPRecorderSession {
    private let connection: PeerConnection
    private let core: HTTPRecorder.Core
    private var reader: HTTPReader

    init(_ connection: PeerConnection, _ core: HTTPRecorder.Core) {
        self.connection = connection
        self.core = core
        reader = HTTPReader(connection)
    }

    mutating func run() {
        while !connection.isEnding {
            do {
                guard let request = try reader.next(within: core.behaviour.idleLimit) else { return }
                core.count { if $0.requests.count < 100_000 { $0.requests.append(.now) } }
                guard try serve(request), request.keepsAlive else { return }
            } catch {
                core.count { $0.malformed += 1 }
                let status = (error as? HTTPFault)?.status ?? 400
                connection.write(Self.bytes(HTTPRecorder.Reply(status, headers: ["Connection": "close"])))
                return
            }
        }
    }

    /// False if the connection is to be closed.
    private func serve(_ request: HTTPRequest) throws -> Bool {
        if let limit = core.behaviour.maximumBody, request.body.count > limit {
            return finish(Self.bytes(HTTPRecorder.Reply(413)), 413, at: nil)
        }
        let step = core.nextStep()
        if case .closeBeforeRecording = step { return false }
        let place: RecordLog.StatusPlace
        do {
            place = try core.log.appendAwaitingStatus(record(request))
        } catch {
            core.count { $0.failures += 1 }
            connection.end(.reset)
            return false
        }
        core.count { $0.recorded += 1 }
        switch step {
        case .reply(let reply): return finish(Self.bytes(reply), reply.status, at: place)
        case .delayed(let delay, let reply):
            guard connection.pause(until: .now + delay) else { return false }
            return finish(Self.bytes(reply), reply.status, at: place)
        case .closeWithoutReply, .closeBeforeRecording: return false
        case .replyLost:
            connection.end(.reset)
            return false
        case .endlessBody:
            let head = "HTTP/1.1 200 Recorded\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
            let chunk = "4000\r\n" + String(repeating: "x", count: 0x4000) + "\r\n"
            flood(head, with: Array(chunk.utf8))
            return false
        case .endlessHeaders:
            flood("HTTP/1.1 200 Recorded\r\n", with: Array("X-More: \(String(repeating: "x", count: 100))\r\n".utf8))
            return false
        case .oneBytePerSecond(let reply):
            let bytes = Self.bytes(reply)
            for byte in bytes.dropLast() {
                guard connection.write([byte]), connection.pause(until: .now + .seconds(1)), !connection.isAbandoned
                else {
                    core.count { $0.abandoned += 1 }
                    return false
                }
            }
            return finish(bytes.suffix(1), reply.status, at: place)
        case .wrongLength(let reply):
            connection.write(Self.bytes(reply, missing: 100))
            return false
        case .gzipBomb(let megabytes): return explode(GzipBomb(megabytes: megabytes), place)
        }
    }

    private func record(_ request: HTTPRequest) -> Recorded {
        var record = Recorded(connection: connection.number, payload: request.body)
        record.identify(by: request.headers)
        record.idempotencyKey = request.header("idempotency-key")
        record.method = request.method
        record.path = request.path
        record.contentType = request.header("content-type")
        record.authorization = request.header("authorization") != nil
        return record
    }

    /// Sends what completes a reply. The status is in the file before the client can know of it, and goes again if the
    /// client cannot.
    private func finish(_ bytes: some Collection<UInt8>, _ status: Int, at place: RecordLog.StatusPlace?) -> Bool {
        guard !connection.isEnding, !connection.isAbandoned else { return false }
        if let place { core.log.mark(status, at: place) }
        count(status, place != nil, 1)
        guard !connection.write(bytes) else { return true }
        if let place { core.log.mark(0, at: place) }
        count(status, place != nil, -1)
        return false
    }

    private func count(_ status: Int, _ isRecorded: Bool, _ step: Int) {
        core.count {
            $0.replies[status, default: 0] += step
            if isRecorded, (200..<300).contains(status) { $0.accepted += step }
        }
    }

    private func flood(_ head: String, with piece: [UInt8]) {
        var sent = head.utf8.count
        // Pieces of some size, as many of them would keep the processor from the code under test.
        let bytes = Array(repeatElement(piece, count: max(1, 16_384 / piece.count)).joined())
        guard connection.write(head.utf8) else { return }
        while connection.write(bytes), !connection.isAbandoned { sent += bytes.count }
        let total = sent
        core.count {
            $0.abandoned += 1
            $0.mostSent = max($0.mostSent, total)
        }
    }

    private func explode(_ bomb: GzipBomb, _ place: RecordLog.StatusPlace) -> Bool {
        let length = bomb.head.count + bomb.unit.count * bomb.count + bomb.tail.count
        let head = """
            HTTP/1.1 200 Recorded\r\nContent-Type: application/json\r\nContent-Encoding: gzip\r\n\
            Content-Length: \(length)\r\n\r\n
            """
        var sent = bomb.head.count
        var isOpen = connection.write(Array(head.utf8) + bomb.head)
        var left = bomb.count
        while isOpen, left > 0 {
            let units = min(left, 4096)
            isOpen = connection.write(Array(repeatElement(bomb.unit, count: units).joined()))
            left -= units
            sent += units * bomb.unit.count
        }
        let total = sent
        core.count { $0.mostSent = max($0.mostSent, total) }
        if isOpen, finish(bomb.tail, 200, at: place) { return true }
        core.count { $0.abandoned += 1 }
        return false
    }

    /// - Parameter missing: bytes of the body that are promised and do not come.
    private static func bytes(_ reply: HTTPRecorder.Reply, missing: Int = 0) -> [UInt8] {
        let body = Array(reply.body.utf8)
        var head = "HTTP/1.1 \(reply.status) Recorded\r\n"
        for (name, value) in reply.headers.sorted(by: { $0.key < $1.key }) { head += "\(name): \(value)\r\n" }
        let isBare = reply.status < 200 || reply.status == 204 || reply.status == 304
        if !isBare { head += "Content-Length: \(body.count + missing)\r\n" }
        return Array((head + "\r\n").utf8) + (isBare ? [] : body)
    }
}
