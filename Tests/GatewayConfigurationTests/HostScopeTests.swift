import GatewayConfiguration
import Testing

@Suite("Who can reach an address", .timeLimit(.minutes(5)))
struct HostScopeTests {
    @Test(arguments: ["localhost", "LOCALHOST", "localhost.", "127.0.0.1", "127.255.0.9", "::1", "::ffff:127.0.0.1"])
    func loopback(_ host: String) {
        #expect(HostScope(host: host) == .loopback)
        #expect(HostScope(bind: host) == .loopback)
    }

    @Test(arguments: [
        "10.0.0.1", "192.168.1.1", "128.0.0.1", "broker.example", "127.0.0.1.example", "localhost.example", "::2",
        "fe80::1",
        "::ffff:10.0.0.1", "127.1", "0x7f000001", "", "a\0",
    ])
    func beyond(_ host: String) {
        #expect(HostScope(host: host) == .beyond)
    }

    @Test(arguments: ["0.0.0.0", "::", "0:0:0:0:0:0:0:0", "::ffff:0.0.0.0", "::ffff:0:0"])
    func everyAddress(_ bind: String) {
        #expect(HostScope(bind: bind) == .everyAddress)
        #expect(HostScope(host: bind) == .beyond)
    }

    @Test func interfaces() {
        #expect(HostScope(bind: "lo") == .beyond)
        #expect(HostScope(bind: "eth0") == .beyond)
    }
}
