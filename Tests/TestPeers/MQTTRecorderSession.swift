import Synchronization

/// One client of the recorder, on a thread of its own.
struct MQTTRecorderSession {
    /// How it came to an end.
    private enum Departure {
        /// The client said DISCONNECT: no will.
        case clean
        case lost
        case fault(MQTTFault)
        case sentAway(MQTTRecorder.Disconnection.Ending)
    }

    private struct Acknowledgement {
        /// First byte of the packet.
        let kind: UInt8
        let identifier: UInt16
        var code: UInt8 = 0

        static let published: UInt8 = 0x40
        static let received: UInt8 = 0x50
        static let complete: UInt8 = 0x70

        /// Whether the client may use its place in the window again.
        var isLast: Bool { kind != Self.received || code >= 0x80 }
        var bytes: [UInt8] { MQTTReply.acknowledgement(kind, identifier, code: code) }
    }

    private let connection: PeerConnection
    private let core: MQTTRecorder.Core
    /// As they were told to the client.
    private let limits: MQTTRecorder.Behaviour
    private var framer = MQTTFramer()
    private var level: UInt8 = 5
    private var aliases: [Int: String] = [:]
    private var outstanding: Set<UInt16> = []
    /// QoS 2, before PUBREL.
    private var halfway: Set<UInt16> = []
    private var delayed: [(due: ContinuousClock.Instant, acknowledgement: Acknowledgement)] = []
    private var reversed: [Acknowledgement] = []
    private var publishes = 0
    private var lastHeard = ContinuousClock.now

    init(_ connection: PeerConnection, _ core: MQTTRecorder.Core) {
        self.connection = connection
        self.core = core
        limits = core.behaviour.withLock { $0 }
    }

    mutating func run() {
        guard !limits.silentAfterConnect else { return connection.drain() }
        guard let connect = greet() else { return }
        core.clients.withLock { clients in
            if limits.takesSessionOver, !connect.clientID.isEmpty {
                clients[connect.clientID]?.end(.close, farewell: connect.level == 5 ? MQTTReply.disconnect(0x8E) : [])
                clients[connect.clientID] = connection
            }
        }
        let departure = serve(connect)
        core.clients.withLock { clients in
            if clients[connect.clientID] === connection { clients[connect.clientID] = nil }
        }
        leave(departure, connect)
    }

    /// Reads CONNECT and answers it; nil if that was all.
    private mutating func greet() -> MQTTConnect? {
        let deadline = ContinuousClock.now + .seconds(30)
        var (frames, fault): ([MQTTFrame], MQTTFault?) = ([], nil)
        while frames.isEmpty, fault == nil {
            guard case .bytes(let bytes) = connection.read(until: deadline) else { return nil }
            framer.append(bytes)
            (frames, fault) = framer.take(atMost: 1)
        }
        do {
            if let fault { throw fault }
            let connect = try MQTTConnect(frames[0])
            level = connect.level
            var answer = limits
            if let will = connect.will {
                if will.qos > limits.maximumQoS { answer.connackCode = 0x9B }
                if will.retain, !limits.retainAvailable { answer.connackCode = 0x9A }
            }
            let isAccepted = answer.connackCode == 0
            if isAccepted { core.count { $0.connections += 1 } }
            guard connection.write(MQTTReply.connectAcknowledgement(connect, answer)), isAccepted else { return nil }
            if level == 5 { framer.maximumPacketSize = limits.maximumPacketSize }
            return connect
        } catch {
            core.count { $0.malformed += 1 }
            // 3.1.1 knows only "unacceptable protocol version", and any client can read that.
            if (error as? MQTTFault)?.code == 0x84 { connection.write([0x20, 2, 0, 1]) }
            return nil
        }
    }

    private mutating func serve(_ connect: MQTTConnect) -> Departure {
        if let garbage = limits.garbageAfterConnect { connection.write(garbage) }
        if let size = limits.hugePublish { publish(size) }
        if let end = limits.disconnectAfter, end.publishes == 0 { return .sentAway(end.ending) }
        // What came with CONNECT.
        if let departure = handle() { return departure }
        while true {
            var deadlines = delayed.first.map { [$0.due] } ?? []
            if !reversed.isEmpty { deadlines.append(lastHeard + .milliseconds(500)) }
            let silence = connect.keepAlive > 0 ? lastHeard + .milliseconds(1500 * connect.keepAlive) : nil
            if let silence { deadlines.append(silence) }
            switch connection.read(until: deadlines.min()) {
            case .end:
                return .lost
            case .timeout:
                if let silence, ContinuousClock.now >= silence { return .fault(MQTTFault(code: 0x8D)) }
                if !reversed.isEmpty, ContinuousClock.now >= lastHeard + .milliseconds(500) { sendReversed() }
            case .bytes(let bytes):
                lastHeard = .now
                framer.append(bytes)
                if let departure = handle() { return departure }
            }
            sendDelayed()
        }
    }

    /// Takes all packets that are complete, and goes to the disk once for all of them.
    private mutating func handle() -> Departure? {
        let (frames, fault) = framer.take()
        var records: [Recorded] = []
        var acknowledgements: [Acknowledgement] = []
        var replies: [UInt8] = []
        var departure: Departure?
        do {
            for frame in frames where departure == nil {
                switch frame.kind {
                case .publish:
                    departure = try take(try MQTTPublish(frame, level: level), &records, &acknowledgements)
                case .publishRelease:
                    var cursor = MQTTCursor(frame.body)
                    let identifier = try cursor.word()
                    let isKnown = halfway.remove(identifier) != nil
                    acknowledgements.append(
                        Acknowledgement(
                            kind: Acknowledgement.complete, identifier: identifier,
                            code: isKnown || level < 5 ? 0 : 0x92))
                case .subscribe, .unsubscribe: replies += try MQTTReply.subscribeAcknowledgement(frame, level: level)
                case .ping: replies += MQTTReply.pong
                case .disconnect: departure = frame.body.first == 0x04 ? .lost : .clean
                case .publishAcknowledgement, .publishReceived, .publishComplete: break
                default: throw MQTTFault.protocolError
                }
            }
            if let fault, departure == nil { throw fault }
        } catch {
            departure = .fault((error as? MQTTFault) ?? .malformed)
        }
        do {
            try core.log.append(records)
        } catch {
            core.count { $0.failures += 1 }
            return .sentAway(.reset)
        }
        core.count { $0.publishes += records.count }
        connection.write(replies)
        schedule(acknowledgements)
        return departure
    }

    private mutating func take(
        _ packet: MQTTPublish, _ records: inout [Recorded], _ acknowledgements: inout [Acknowledgement]
    ) throws(MQTTFault) -> Departure? {
        guard packet.qos <= limits.maximumQoS else { throw MQTTFault(code: 0x9B, isViolation: true) }
        guard !packet.retain || limits.retainAvailable else { throw MQTTFault(code: 0x9A, isViolation: true) }
        var topic = packet.topic
        if let alias = packet.properties.topicAlias {
            guard alias > 0, alias <= limits.topicAliasMaximum else { throw MQTTFault(code: 0x94, isViolation: true) }
            if topic.isEmpty { topic = aliases[alias] ?? "" } else { aliases[alias] = topic }
            guard !topic.isEmpty else { throw .protocolError }
        }
        let isRepeated = packet.qos == 2 && halfway.contains(packet.identifier)
        if packet.qos > 0 {
            outstanding.insert(packet.identifier)
            let count = outstanding.count
            core.count { $0.largestOutstanding = max($0.largestOutstanding, count) }
            if level == 5, count > limits.receiveMaximum ?? 65_535 { throw MQTTFault(code: 0x93, isViolation: true) }
        }
        let behaviour = core.behaviour.withLock { $0 }
        if let most = behaviour.largestPayload, packet.payload.count > most { return .sentAway(.disconnect(0x95)) }
        var acknowledgement = Acknowledgement(
            kind: packet.qos == 2 ? Acknowledgement.received : Acknowledgement.published, identifier: packet.identifier)
        if case .reason(let code, let part) = behaviour.acknowledge, level == 5, packet.qos > 0 {
            if part.map({ topic.contains($0) }) ?? true { acknowledgement.code = code }
        }
        if !isRepeated {
            publishes += 1
            var record = Recorded(connection: connection.number, payload: packet.payload)
            record.identify(by: packet.properties.user)
            record.topic = topic
            record.qos = Int(packet.qos)
            record.retain = packet.retain
            record.dup = packet.dup
            if acknowledgement.code >= 0x80 { record.reason = Int(acknowledgement.code) }
            records.append(record)
        }
        if packet.qos == 2, acknowledgement.code < 0x80 { halfway.insert(packet.identifier) }
        if let end = behaviour.disconnectAfter, publishes >= end.publishes { return .sentAway(end.ending) }
        if packet.qos > 0 { acknowledgements.append(acknowledgement) }
        return nil
    }

    // MARK: Acknowledging

    private mutating func schedule(_ acknowledgements: [Acknowledgement]) {
        guard !acknowledgements.isEmpty else { return }
        switch core.behaviour.withLock({ $0.acknowledge }) {
        case .yes, .reason: send(acknowledgements)
        case .never: break
        case .delayed(let delay):
            let due = ContinuousClock.now + delay
            delayed += acknowledgements.map { (due, $0) }
        case .reversed(let size):
            for acknowledgement in acknowledgements {
                reversed.append(acknowledgement)
                if reversed.count >= size { sendReversed() }
            }
        case .duplicated:
            send(acknowledgements, aroundEach: { [$0, $0] })
        case .unknownIDs:
            send(
                acknowledgements,
                aroundEach: { [Acknowledgement(kind: $0.kind, identifier: $0.identifier ^ 0x8000), $0] })
        }
    }

    private mutating func sendReversed() {
        send(reversed.reversed())
        reversed = []
    }

    private mutating func sendDelayed() {
        let now = ContinuousClock.now
        let due = delayed.prefix { $0.due <= now }.map(\.acknowledgement)
        guard !due.isEmpty else { return }
        delayed.removeFirst(due.count)
        send(due)
    }

    private mutating func send(
        _ acknowledgements: [Acknowledgement], aroundEach form: (Acknowledgement) -> [Acknowledgement] = { [$0] }
    ) {
        for acknowledgement in acknowledgements where acknowledgement.isLast {
            outstanding.remove(acknowledgement.identifier)
        }
        // Counted first: a test that waits for the client's count finds ours complete.
        let answers = acknowledgements.filter { $0.kind != Acknowledgement.complete }
        let refusals = answers.count { $0.code >= 0x80 }
        core.count {
            $0.refusals += refusals
            $0.acknowledgements += answers.count - refusals
        }
        connection.write(Array(acknowledgements.flatMap(form).map(\.bytes).joined()))
    }

    // MARK: Ends

    private mutating func leave(_ departure: Departure, _ connect: MQTTConnect) {
        if case .clean = departure { return }
        // A broker that goes down publishes no wills.
        let isDown = connection.isCutShort
        switch departure {
        case .clean, .lost: break
        case .fault(let fault):
            core.count {
                if fault.isViolation { $0.violations += 1 } else if fault.code != 0x8D { $0.malformed += 1 }
            }
            connection.end(.close, farewell: level == 5 ? MQTTReply.disconnect(fault.code) : [])
        case .sentAway(.disconnect(let code)):
            connection.end(.close, farewell: level == 5 ? MQTTReply.disconnect(code) : [])
        case .sentAway(.close): connection.end(.close)
        case .sentAway(.reset): connection.end(.reset)
        }
        guard let will = connect.will, !isDown else { return }
        var record = Recorded(connection: connection.number, payload: will.payload)
        record.identify(by: will.user)
        record.topic = will.topic
        record.qos = Int(will.qos)
        record.retain = will.retain
        record.dup = false
        record.will = true
        do {
            try core.log.append([record])
        } catch {
            core.count { $0.failures += 1 }
        }
    }

    /// A PUBLISH that is far too long, piece by piece.
    private func publish(_ size: Int) {
        let (head, length) = MQTTReply.publishHead(topic: "recorder/huge", level: level, size: size)
        guard connection.write(head) else { return }
        let piece = [UInt8](repeating: UInt8(ascii: "x"), count: 65_536)
        var left = length
        while left > 0, connection.write(piece.prefix(left)) { left -= piece.count }
    }
}
