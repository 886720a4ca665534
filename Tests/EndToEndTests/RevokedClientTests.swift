import FoundationEssentials
import Glibc
import TestPeers
import Testing

/// A revocation list that changes under a listener whose clients log in with certificates: the real binary.
@Suite("A client that is revoked", .serialized, .timeLimit(.minutes(2)))
struct RevokedClientTests {
    @Test("a client whose certificate is revoked is cut off from its open connection; the others come back")
    func revoked() async throws {
        let authority = try await DemoAuthority(), port = try freePort()
        let stolen = try await authority.issue("bad", names: [], usage: .client)
        let kept = try await authority.issue("good", names: [], usage: .client)
        let unused = try await authority.issue("unused", names: [], usage: .client)
        let configuration = PlantConfiguration(restPort: port)
        let plant = try await configuration.plant()
        let entries = ["bad", "good"].map { "{ subject: \"CN=\($0)\", user: viewer }" }.joined(separator: ", ")
        let clients = "{ mode: optional, ca-file: \(authority.certificateFile), crl-file: ca.crl, map: [\(entries)] }"
        try plant.write(
            configuration.yaml.replacing(
                "type: rest-server", with: "type: rest-server\n    tls: { client-certificates: \(clients) }"))
        func revoke(_ identity: DemoAuthority.Identity) async throws {
            let folder = try TemporaryDirectory()
            let list = try await authority.revocationList(of: identity, in: folder)
            guard rename(list, plant.directory.file("ca.crl")) == 0 else { throw TestPeerError("rename: \(errno)") }
        }
        try await revoke(unused)
        try await plant.running { gateway in
            let path = "/iotgateway/read?ids=Simulation.Press1.Count"
            func connected(
                _ identity: DemoAuthority.Identity, _ body: (KeepAliveClient) async throws -> Void
            ) async throws {
                let trusted = "\(plant.dataDirectory)/tls/default.pem"
                try await withKeepAliveClient(port: port, authority: trusted, as: identity, body)
            }
            try await connected(stolen) { bad in
                try await connected(kept) { good in
                    for client in [bad, good] {
                        let first = try await client.ask(path), second = try await client.ask(path)
                        #expect(first.status == 200 && second.status == 200, "\(first) \(second)")
                        #expect(first.port == second.port)
                    }
                    try await revoke(stolen)
                    _ = try await gateway.log.first { $0.contains("Authorities of clients replaced") }
                    // Nobody was asked anything meanwhile: the connections are gone before the next request.
                    try await Task.sleep(for: .seconds(1))
                    for client in [bad, good] {
                        let cut = try await client.ask(path)
                        #expect(cut.status == 0 && !cut.error.isEmpty, "\(cut)")
                    }
                    let refused = try await bad.ask(path), back = try await good.ask(path)
                    #expect(refused.status == 0 && refused.error.contains("SSL"), "\(refused)")
                    #expect(back.status == 200, "\(back)")
                }
            }
            _ = try await eventually("the refusal in the audit log") {
                try await plant.auditLines("--outcome", "refused").first { $0.reason.contains("was revoked on ") }
            }
        }
    }
}
