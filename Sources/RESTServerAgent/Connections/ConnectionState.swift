import NIOCore

/// What a connection is doing and how long it may: a pure state machine, told of events and asked for expiry.
struct ConnectionState {
    struct Timeouts: Sendable, Equatable {
        /// From the connection to the end of the TLS handshake.
        var handshake: TimeAmount
        /// From a request's first byte to its last, and for a client to take an answer.
        var request: TimeAmount
        /// Between two requests.
        var idle: TimeAmount
        /// After the last answer, for the client to read it and close.
        var linger: TimeAmount

        init(
            handshake: TimeAmount = .seconds(10), request: TimeAmount, idle: TimeAmount = .seconds(75),
            linger: TimeAmount = .seconds(5)
        ) {
            self.handshake = handshake
            self.request = request
            self.idle = idle
            self.linger = linger
        }
    }

    enum Expiry: Equatable {
        case handshake
        /// The request did not come whole in time; `answerable` when a 408 would not come between other answers.
        case request(answerable: Bool)
        /// The client does not take its answer.
        case write
        case idle
        case linger
    }

    private enum Phase: Equatable {
        case handshake(NIODeadline)
        case idle(NIODeadline)
        case request(NIODeadline)
        /// An answer without an end: only the client that does not take it has a deadline.
        case streaming
        case lingering(NIODeadline)
    }

    let timeouts: Timeouts
    private var phase: Phase
    /// Requests handed on whose answer has not been written.
    private(set) var unanswered = 0
    /// Answers that have been written but not yet taken by the socket, and since when the oldest waits.
    private var untaken = 0
    private var untakenSince: NIODeadline

    init(timeouts: Timeouts, expectsHandshake: Bool, now: NIODeadline) {
        self.timeouts = timeouts
        phase = expectsHandshake ? .handshake(now) : .idle(now)
        untakenSince = now
    }

    var isHandshaking: Bool { if case .handshake = phase { true } else { false } }
    var isLingering: Bool { if case .lingering = phase { true } else { false } }
    var isStreaming: Bool { phase == .streaming }
    /// Every request that came whole has its answer, and the socket has taken it.
    var isAnswered: Bool { unanswered == 0 && untaken == 0 }
    /// Nothing asked, nothing to answer: it may be closed without loss.
    var isQuiet: Bool { if case .idle = phase { isAnswered } else { false } }

    mutating func handshakeDone(_ now: NIODeadline) {
        if case .handshake = phase { phase = .idle(now) }
    }

    mutating func bytesCame(_ now: NIODeadline) {
        if case .idle = phase { phase = .request(now) }
    }

    mutating func requestCame(_ now: NIODeadline) {
        unanswered += 1
        if !isLingering, !isStreaming { phase = .idle(now) }
    }

    mutating func answerWritten(_ now: NIODeadline) {
        unanswered -= 1
        if untaken == 0 { untakenSince = now }
        untaken += 1
        switch phase {
        case .idle: phase = .idle(now)
        // The time that an answer took is not that of the client, who could send no faster than we read.
        case .request: phase = .request(now)
        case .handshake, .streaming, .lingering: break
        }
    }

    /// The head of an answer without an end has been written.
    mutating func streamBegan(_ now: NIODeadline) {
        unanswered = 0
        phase = .streaming
    }

    /// A part of such an answer has been written, to be counted with `answersTaken`.
    mutating func streamWritten(_ now: NIODeadline) {
        if untaken == 0 { untakenSince = now }
        untaken += 1
    }

    /// The socket has taken so many of the answers that were written.
    mutating func answersTaken(_ count: Int = 1, _ now: NIODeadline) {
        untaken -= count
        untakenSince = now
        if case .idle = phase { phase = .idle(now) }
        if case .lingering = phase { phase = .lingering(now) }
    }

    mutating func lastAnswerWritten(_ now: NIODeadline) { phase = .lingering(now) }

    func expiry(_ now: NIODeadline) -> Expiry? {
        if untaken > 0 { return now - untakenSince > timeouts.request ? .write : nil }
        switch phase {
        case .handshake(let since): return now - since > timeouts.handshake ? .handshake : nil
        case .request(let since):
            return now - since > timeouts.request ? .request(answerable: unanswered == 0) : nil
        case .idle(let since): return unanswered == 0 && now - since > timeouts.idle ? .idle : nil
        case .streaming: return nil
        case .lingering(let since): return now - since > timeouts.linger ? .linger : nil
        }
    }
}
