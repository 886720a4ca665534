import TestPeers
import Testing

/// Each way in with somebody who gets in and somebody who does not.
@Suite("Doors of the REST server agent", .serialized, .timeLimit(.minutes(4)))
struct DoorTests {
    private static let count = "Simulation.Press1.Count"

    @Test("allow-from, trusted proxies, anonymous and client certificates let in whom they should, and nobody else")
    func doors() async throws {
        let authority = try await DemoAuthority(), stranger = try await DemoAuthority(name: "Stranger CA")
        let scada = try await authority.issue("scada", organization: "Plant", names: [], usage: .client)
        let other = try await authority.issue("other", organization: "Plant", names: [], usage: .client)
        let forged = try await stranger.issue("scada", organization: "Plant", names: [], usage: .client)
        let near = try freePort(), proxied = try freePort(), open = try freePort(), certified = try freePort()
        let configuration = PlantConfiguration(restPort: near)
        let yaml =
            configuration.yaml.replacing(
                "    - name: viewers",
                with: """
                        - name: anonymous
                          allow: [{ tags: "\(Self.count)", actions: [browse, read] }]
                        - name: viewers
                    """
            ).replacing("type: rest-server", with: "type: rest-server\n    allow-from: [127.0.0.5]") + """
                  - name: proxied
                    type: rest-server
                    port: \(proxied)
                    trusted-proxies: [127.0.0.6]
                    allow-from: [10.1.0.0/16]
                    items: [{ tags: "**" }]
                  - { name: open, type: rest-server, port: \(open), anonymous: true, items: [{ tags: "**" }] }
                  - name: certified
                    type: rest-server
                    port: \(certified)
                    tls:
                      client-certificates:
                        mode: optional
                        ca-file: \(authority.certificateFile)
                        map: [{ subject: "CN=scada,O=Plant", user: viewer }]
                    items: [{ tags: "**" }]

                """
        let plant = try await configuration.plant()
        try plant.write(yaml)
        try await plant.running { gateway in
            try await networks(gateway, near)
            try await proxies(gateway, proxied)
            try await anonymous(gateway, open)
            try await certificates(gateway, certified, scada: scada, other: other, forged: forged)
        }
        try await log(plant)
    }

    private func networks(_ gateway: GatewayProcess, _ port: Int) async throws {
        let user = PlantConfiguration.viewer
        let near = try await gateway.get("/browse", port: port, user: user, "--interface", "127.0.0.5")
        #expect(near.status == 200, "\(near)")
        let far = try await gateway.get("/browse", port: port, user: user, "--interface", "127.0.0.1")
        #expect(far.status == 0 && far.body == "", "closed before TLS: \(far)")
    }

    private func proxies(_ gateway: GatewayProcess, _ port: Int) async throws {
        func ask(from address: String, for client: String, user: String = PlantConfiguration.viewer) async throws -> Int
        {
            try await gateway.get(
                "/browse", port: port, user: user, "--interface", address, "-H", "X-Forwarded-For: \(client)"
            ).status
        }
        #expect(try await ask(from: "127.0.0.6", for: "10.9.9.9, 10.1.2.3") == 200, "what stands left is not read")
        #expect(try await ask(from: "127.0.0.6", for: "10.1.2.3, 10.2.2.3") == 403)
        #expect(try await ask(from: "127.0.0.6", for: "unknown") == 400)
        #expect(try await ask(from: "127.0.0.1", for: "10.1.2.3") == 0, "not a proxy: it is who it is")
        #expect(try await ask(from: "127.0.0.6", for: "10.1.2.4", user: "viewer:wrong") == 401)
    }

    private func anonymous(_ gateway: GatewayProcess, _ port: Int) async throws {
        let all = try await gateway.get("/browse", port: port)
        #expect(try all.status == 200 && all.ids == [Self.count], "\(all)")
        let hidden = try await gateway.get("/read?ids=Simulation.Press1.Setpoint", port: port)
        #expect(hidden.status == 200 && hidden.body.contains("unknown tag"), "\(hidden)")
        #expect(try await gateway.get("/browse", port: port, user: "viewer:wrong").status == 401)
        let user = try await gateway.get("/browse", port: port, user: PlantConfiguration.viewer)
        #expect(try user.ids.count == 5, "\(user)")
    }

    private func certificates(
        _ gateway: GatewayProcess, _ port: Int, scada: DemoAuthority.Identity, other: DemoAuthority.Identity,
        forged: DemoAuthority.Identity
    ) async throws {
        func ask(_ identity: DemoAuthority.Identity?, user: String? = nil) async throws -> Int {
            guard let identity else { return try await gateway.get("/browse", port: port, user: user).status }
            return try await gateway.get(
                "/browse", port: port, user: user, "--cert", identity.certificateFile, "--key", identity.keyFile
            ).status
        }
        #expect(try await ask(scada) == 200)
        #expect(try await ask(scada, user: "viewer:wrong") == 401, "never falls back to the certificate")
        #expect(try await ask(other) == 401, "nobody in the map")
        #expect(try await ask(forged) == 0, "of another authority: no TLS")
        #expect(try await ask(nil) == 401)
        #expect(try await ask(nil, user: PlantConfiguration.viewer) == 200)
        #expect(try await gateway.plant.command("user", "disable", "viewer").code == 0)
        #expect(try await ask(scada) == 401)
    }

    /// Who came how, as the audit log has it.
    private func log(_ plant: Plant) async throws {
        let lines = try await plant.auditLines("--action", "login")
        let text = lines.map { "\($0)" }.joined(separator: "\n")
        func has(_ outcome: String, _ agent: String, _ address: String) -> Bool {
            lines.contains {
                $0.outcome == outcome && $0.agent == agent && $0.address == address && $0.principal == "viewer"
            }
        }
        #expect(has("succeeded", "api", "127.0.0.5"), "\(text)")
        #expect(has("succeeded", "proxied", "10.1.2.3"), "the client, not its proxy: \(text)")
        #expect(has("refused", "proxied", "10.1.2.4"), "\(text)")
        #expect(has("refused", "open", "127.0.0.1"), "\(text)")
        #expect(has("succeeded", "certified", "127.0.0.1"), "\(text)")
        #expect(!lines.contains { $0.kind == "anonymous" && $0.outcome == "succeeded" }, "\(text)")
    }

    @Test("anonymous beyond loopback is refused unless it is accepted, and with writes whatever is accepted")
    func anonymousBeyondLoopback() async throws {
        func yaml(_ more: String, _ top: String = "") -> String {
            """
            version: 1
            gateway: { name: test, data-directory: data }
            \(top)
            channels:
              - name: S
                driver: simulator
                devices: [{ name: D, tags: [{ name: T, address: K0001, type: Long, access: read-write }] }]
            agents:
              - { name: api, type: rest-server, bind: 0.0.0.0, port: 39320, anonymous: true\(more), items: [{ tags: "**" }] }

            """
        }
        func accepted(_ rule: String) -> String { "{ rule: \(rule), agent: api, reason: a test, until: 2099-01-01 }" }
        let plant = try Plant(yaml(""))
        for verb in ["check", "run"] {
            let refused = try await plant.command(verb)
            #expect(refused.code == 2 && refused.errors.contains("error: SP-305"), "\(refused)")
        }
        try plant.write(yaml("", "accept-risk: [\(accepted("SP-305"))]"))
        let taken = try await plant.command("check")
        #expect(taken.code == 0 && taken.errors.contains("the risk SP-305 is accepted"), "\(taken)")
        for risks in [[accepted("SP-305")], [accepted("SP-305"), accepted("SP-306")]] {
            try plant.write(
                yaml(", write-endpoint: true", "accept-risk: [\(risks.joined(separator: ", "))]"))
            for verb in ["check", "run"] {
                let refused = try await plant.command(verb)
                #expect(refused.code == 2 && refused.errors.contains("error: SP-306"), "\(refused)")
            }
        }
    }
}
