import FoundationEssentials
import Glibc
import TestPeers
import Testing

/// A revocation list that changes under a gateway that runs: the real binary and a real broker.
@Suite("A broker that is revoked", .serialized, .timeLimit(.minutes(3)))
struct RevokedBrokerTests {
    @Test("an MQTT agent leaves a broker that is revoked while it is connected, comes back, and nothing is lost")
    func revoked() async throws {
        let authority = try await DemoAuthority()
        let server = try await authority.issue("broker"), stranger = try await authority.issue("stranger")
        let peer = try await MosquittoPeer(
            acl: "user gateway\ntopic write iotgateway\n", authority: authority, server: server)
        try await peer.run { broker in
            let plant = try Plant(
                """
                version: 1
                gateway: { name: test, data-directory: data }
                tls: { identities: [{ name: me, certificate: cert.pem, key: key.pem }] }
                channels:
                  - name: S
                    driver: simulator
                    devices: [{ name: D, tags: [{ name: T, address: "RAMP (20, 0, 1000000000, 1)", type: Long }] }]
                agents:
                  - name: broker
                    type: mqtt
                    url: ssl://localhost:\(broker.mutualTLSPort)
                    tls: { ca-file: ca.pem, crl-file: ca.crl, identity: me }
                    publish: { type: on-change }
                    items: [{ tags: "**" }]

                """)
            func put(_ path: String, _ name: String) throws {
                let new = plant.directory.file("\(name).new")
                try FileManager.default.copyItem(atPath: path, toPath: new)
                chmod(new, 0o600)
                guard rename(new, plant.directory.file(name)) == 0 else { throw TestPeerError("rename: \(errno)") }
            }
            func revoke(_ identity: DemoAuthority.Identity) async throws {
                let folder = try TemporaryDirectory()
                try put(await authority.revocationList(of: identity, in: folder), "ca.crl")
            }
            let own = try await authority.issue("gateway", names: [], usage: .client)
            try put(authority.certificateFile, "ca.pem")
            try put(own.certificateFile, "cert.pem")
            try put(own.keyFile, "key.pem")
            try await revoke(stranger)
            try await broker.withSubscriber(to: ["iotgateway"], as: nil) { messages in
                try await plant.running { gateway in
                    _ = try await gateway.log.first { $0.contains("Connected to the broker") }
                    _ = try await messages.next()
                    // The connection is open and good; only the list says that it must not be.
                    try await revoke(server)
                    let refused = try await gateway.log.first { $0.contains("No connection to the broker") }
                    #expect(refused.contains("certificate (CN = broker) was revoked on "), "\(refused)")
                    try await revoke(stranger)
                    _ = try await gateway.log.first { $0.contains("Connected to the broker") }
                    _ = try await messages.next()
                }
                // Every value of the ramp came, in order, each once.
                var last: Double?
                for message in await messages.pending {
                    for event in try PublishedMessage(message).values {
                        guard let value = event.v else { continue }
                        if let last { #expect(value == last + 1, "\(last) then \(value)") }
                        last = value
                    }
                }
                #expect(last != nil)
            }
        }
    }
}
