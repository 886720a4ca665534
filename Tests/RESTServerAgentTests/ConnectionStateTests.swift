import NIOCore
import Tags
import Testing

@testable import RESTServerAgent

@Suite(.timeLimit(.minutes(1)))
struct ConnectionStateTests {
    static let timeouts = ConnectionState.Timeouts(
        handshake: .seconds(10), request: .seconds(15), idle: .seconds(75), linger: .seconds(5))

    static func at(_ seconds: Int64) -> NIODeadline { .uptimeNanoseconds(1) + .seconds(seconds) }

    static func state(handshake: Bool = false) -> ConnectionState {
        ConnectionState(timeouts: timeouts, expectsHandshake: handshake, now: at(0))
    }

    @Test func handshakeHasItsTime() {
        var state = Self.state(handshake: true)
        // Bytes of a handshake are no request.
        state.bytesCame(Self.at(9))
        #expect(state.expiry(Self.at(10)) == nil)
        #expect(state.expiry(Self.at(11)) == .handshake)
        state.handshakeDone(Self.at(10))
        #expect(state.expiry(Self.at(85)) == nil)
        #expect(state.expiry(Self.at(86)) == .idle)
    }

    @Test func requestCountsFromItsFirstByte() {
        var state = Self.state()
        state.bytesCame(Self.at(70))
        state.bytesCame(Self.at(84))
        #expect(state.expiry(Self.at(85)) == nil)
        #expect(state.expiry(Self.at(86)) == .request(answerable: true))
        state.requestCame(Self.at(85))
        // While we work on an answer the client owes nothing.
        #expect(state.expiry(Self.at(1000)) == nil)
        #expect(!state.isQuiet)
        state.bytesCame(Self.at(1000))
        #expect(state.expiry(Self.at(1016)) == .request(answerable: false))
    }

    @Test func answerMustBeTaken() {
        var state = Self.state()
        state.bytesCame(Self.at(0))
        state.requestCame(Self.at(0))
        state.answerWritten(Self.at(100))
        #expect(state.expiry(Self.at(115)) == nil)
        #expect(state.expiry(Self.at(116)) == .write)
        state.answersTaken(1, Self.at(110))
        #expect(state.isQuiet)
        #expect(state.expiry(Self.at(185)) == nil)
        #expect(state.expiry(Self.at(186)) == .idle)
    }

    @Test func afterTheLastAnswerItLingers() {
        var state = Self.state()
        state.bytesCame(Self.at(0))
        state.requestCame(Self.at(0))
        state.answerWritten(Self.at(1))
        state.lastAnswerWritten(Self.at(1))
        #expect(state.isLingering)
        #expect(state.expiry(Self.at(17)) == .write)
        state.answersTaken(1, Self.at(2))
        state.bytesCame(Self.at(6))
        #expect(state.expiry(Self.at(7)) == nil)
        #expect(state.expiry(Self.at(8)) == .linger)
    }

    @Test func dateHeader() {
        func text(_ seconds: Int64) -> String {
            String(decoding: HTTPDate.text(Timestamp(milliseconds: seconds * 1000)), as: UTF8.self)
        }
        #expect(text(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(text(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(text(951_782_400) == "Tue, 29 Feb 2000 00:00:00 GMT")
    }

    @Test(arguments: [
        ("localhost", true), ("localhost:39320", true), ("127.0.0.1:1", true), ("[::1]", true), ("[::1]:39320", true),
        ("a_b.example", true), ("", false), (":80", false), ("a:", false), ("a:123456", false), ("a:8o", false),
        ("[]", false), ("[:", false), ("[::1]x", false), ("[g::1]", false), ("a b", false), ("a\tb", false),
        ("a,b", false), ("a@b", false), ("a/b", false), ("é", false), ("a:1:2", false),
    ])
    func hostField(_ text: String, _ isWellFormed: Bool) {
        #expect(HostField.isWellFormed(text) == isWellFormed)
    }

    @Test func base64IsStrict() {
        #expect(BasicCredentials.base64("YWI6Yw==".utf8) == Array("ab:c".utf8))
        #expect(BasicCredentials.base64("".utf8) == [])
        for bad in ["Y", "YWI", "YW=I", "====", "Y===", "YWI6Yw= =", "YWI6Yw\n=", "YW-_"] {
            #expect(BasicCredentials.base64(bad.utf8) == nil, "\(bad)")
        }
    }

    /// What counts as one client: an IPv6 network of 64 bits, and IPv4 by the address however it is written.
    @Test(arguments: [
        ("10.1.2.3", "10.1.2.4", false), ("::ffff:10.1.2.3", "10.1.2.3", true),
        ("::ffff:10.1.2.3", "::ffff:10.1.2.4", false), ("fd00:1:2:3::1", "fd00:1:2:3:ffff::9", true),
        ("fd00:1:2:3::1", "fd00:1:2:4::1", false), ("fe80::1%eth0", "fe80::2", true), ("::1", "127.0.0.1", false),
    ])
    func clients(_ one: String, _ other: String, _ isOne: Bool) {
        #expect((ClientAddress(one).client == ClientAddress(other).client) == isOne)
    }

    @Test func bodiesGiveTheirShareBack() {
        let budget = BodyBudget(bytes: 100)
        do {
            let one = BodyBudget.Share(of: budget)
            let other = BodyBudget.Share(of: budget)
            #expect(one.take(60))
            #expect(!other.take(41))
            #expect(other.take(40))
            #expect(!one.take(1))
        }
        #expect(budget.bytesLeft == 100)
    }
}
