import FoundationEssentials
import Glibc
import TestPeers
import Testing

/// Writes through the real binary to a real device that counts them.
@Suite(.timeLimit(.minutes(3)))
struct WriteTests {
    static let olga = "olga:correct horse battery staple"

    static func yaml(modbus: Int, rest: Int, writes: Bool = true, operators: String = "write") -> String {
        """
        version: 1
        gateway: { name: test, data-directory: data }
        channels:
          - name: Simulation
            driver: simulator
            devices:
              - name: Press1
                tags: [{ name: Setpoint, address: K0001, type: Double, access: read-write, range: [0, 100] }]
          - name: Plant
            driver: modbus-tcp
            devices:
              - name: PLC1
                host: 127.0.0.1
                port: \(modbus)
                poll: 100ms
                timeout: 1s
                tags:
                  - { name: Valve, address: "00002", type: Boolean, access: read-write }
                  - { name: Set, address: "40020", type: Word, access: read-write }
                  - { name: Interlock, address: "00003", type: Boolean, access: read-write }
        security:
          groups:
            - name: operators
              allow: [{ tags: "**", actions: [browse, read, \(operators)] }]
              deny: [{ tags: "Plant.PLC1.Interlock", actions: [write] }]
        agents:
          - { name: api, type: rest-server, port: \(rest), write-endpoint: \(writes), items: [{ tags: "**" }] }

        """
    }

    static func plant(_ yaml: String) async throws -> Plant {
        let plant = try Plant(yaml)
        try await plant.add(user: "root", password: "an administrator's password", "--administrator")
        try await plant.add(user: "olga", password: "correct horse battery staple", "--group", "operators")
        return plant
    }

    /// Returns when the device's tags are good.
    static func connected(_ gateway: GatewayProcess, port: Int) async throws {
        // Passwords are checked at low priority: on a machine with much else to do the first may take longer than a client
        // has patience.
        _ = try await eventually(within: .seconds(90), "a good value") {
            let answer = try await gateway.get("/read?ids=Plant.PLC1.Set", port: port, user: olga)
            return answer.status == 200 ? try answer.entries.first.flatMap { $0.s ? true : nil } : nil
        }
    }

    @Test func overRESTAndTheCommandLine() async throws {
        try await withModbusPeer { peer in
            let port = try freePort()
            let plant = try await Self.plant(Self.yaml(modbus: peer.port, rest: port))
            try await plant.running { gateway in
                try await Self.connected(gateway, port: port)
                let body = """
                    [{"id":"plant.plc1.VALVE","v":true},{"id":"Plant.PLC1.Interlock","v":true},{"id":"Plant.PLC1.Set","v":"4711"},\
                    {"id":"Plant.PLC1.Set","v":65536},{"id":"No.Such.Tag","v":1}]
                    """
                let reply = try await gateway.get("/write", port: port, user: Self.olga, "-d", body)
                #expect(reply.status == 200)
                #expect(
                    reply.body == """
                        {"writeResults":[{"id":"Plant.PLC1.Valve","s":true,"r":""},\
                        {"id":"Plant.PLC1.Interlock","s":false,"r":"forbidden: no permission to write the tag"},\
                        {"id":"Plant.PLC1.Set","s":true,"r":""},\
                        {"id":"Plant.PLC1.Set","s":false,"r":"out-of-range: 65536 does not fit a Word, which goes from 0 to 65535"},\
                        {"id":"No.Such.Tag","s":false,"r":"unknown-tag: there is no such tag"}]}
                        """)
                let password = "correct horse battery staple\n"
                let applied = try await plant.command(
                    "tag", "write", "plant.plc1.set", "42", "--user", "olga", input: password)
                #expect(applied.code == 0 && applied.output == "Plant.PLC1.Set: applied\n")
                let refused = try await plant.command(
                    "tag", "write", "Simulation.Press1.Setpoint", "140", "--user", "olga", "--format", "json",
                    input: password)
                #expect(refused.code == 1)
                #expect(refused.output.contains(#""code":"out-of-range""#))
                let wrong = try await plant.command(
                    "tag", "write", "Plant.PLC1.Set", "1", "--user", "olga", input: "x\n")
                #expect(wrong.code == 1 && wrong.errors.contains("wrong user name or password"))
                #expect(try await plant.command("tag", "write", "Plant.PLC1.Set", "1").code == 2)
                let explained = try await plant.command("policy", "explain", "olga", "write", "plant.plc1.interlock")
                #expect(explained.code == 0)
                #expect(explained.output.contains(#"denied by "Plant.PLC1.Interlock" of group operators"#))
                #expect(explained.output.contains("gateway.yaml:25)"))
                let matrix = try await plant.command("policy", "matrix", "--tags", "Plant.**", "--user", "olga")
                #expect(matrix.output.contains("Plant.PLC1.Interlock  br-"))
                let new = try plant.directory.write(
                    Self.yaml(modbus: peer.port, rest: port, writes: false, operators: "read"), to: "new.yaml")
                let diff = try await plant.command("policy", "diff", new)
                #expect(diff.code == 0 && diff.output.hasPrefix("decisions that change: 3 "))
                #expect(diff.output.contains("agent api: write-endpoint is true, will be false"))
                let lines = try String(contentsOfFile: peer.writes, encoding: .utf8).split(separator: "\n")
                #expect(lines.count == 3, "each reached the device once")
            }
            let offline = try await plant.command("policy", "explain", "olga", "write", "Plant.PLC1.Valve")
            #expect(offline.code == 0 && offline.output.contains("lets it through"))
        }
    }

    /// A stream of writes while the configuration is read again and again, and through the stop: each has an answer or a
    /// broken connection, none reaches the device twice, and the gateway ends in order.
    @Test func duringReloadsAndTheStop() async throws {
        try await withModbusPeer { peer in
            let port = try freePort()
            let yaml = Self.yaml(modbus: peer.port, rest: port)
            let plant = try await Self.plant(yaml)
            let sent = try await plant.running { gateway in
                try await Self.connected(gateway, port: port)
                return try await withThrowingTaskGroup(of: Int.self) { group in
                    group.addTask {
                        var sent = 0
                        while !Task.isCancelled {
                            let body = #"{"id":"Plant.PLC1.Set","v":\#(sent)}"#
                            let reply = try await gateway.get("/write", port: port, user: Self.olga, "-d", body)
                            sent += 1
                            guard reply.status == 200 else { continue }
                            let codes = ["\"s\":true", "device-offline: ", "busy: ", "unknown: ", "unknown-tag: "]
                            #expect(codes.contains { reply.body.contains($0) }, "\(reply.body)")
                        }
                        return sent
                    }
                    // The device is another one at each reload.
                    for index in 0..<6 {
                        try await gateway.reload(
                            index % 2 == 0 ? yaml.replacing("poll: 100ms", with: "poll: 110ms") : yaml)
                    }
                    let off = yaml.replacing("write-endpoint: true", with: "write-endpoint: false")
                    try await gateway.reload(off)
                    let refused = try await gateway.get(
                        "/write", port: port, user: Self.olga, "-d", #"{"id":"Plant.PLC1.Set","v":1}"#)
                    #expect(refused.status == 403)
                    try await gateway.reload(yaml)
                    gateway.signal(SIGTERM)
                    _ = try await gateway.log.first { $0.contains("Stopped") }
                    group.cancelAll()
                    return try await group.reduce(0, +)
                }
            }
            let text = try String(contentsOfFile: peer.writes, encoding: .utf8)
            #expect(text.split(separator: "\n").count <= sent)
        }
    }

    /// A listener ends with its requests, and a request with its device: one that hangs for a minute must not hold up the
    /// stop, not even in the middle of a reload that waits for it too.
    @Test(arguments: [false, true])
    func stopWhileTheDeviceHangs(isReloading: Bool) async throws {
        try await withModbusPeer { peer in
            let port = try freePort()
            let yaml = Self.yaml(modbus: peer.port, rest: port).replacing("timeout: 1s", with: "timeout: 60s")
            let plant = try await Self.plant(yaml)
            let answer = try await plant.running { gateway in
                try await Self.connected(gateway, port: port)
                return try await withThrowingTaskGroup(of: RESTAnswer.self) { group in
                    peer.freeze()
                    group.addTask {
                        try await gateway.get(
                            "/write", port: port, user: Self.olga, "-d", #"{"id":"Plant.PLC1.Set","v":4711}"#,
                            "--max-time", "60")
                    }
                    _ = try await eventually("the write's beginning") {
                        try await plant.auditLines("--action", "write").contains { $0.outcome == "begun" } ? true : nil
                    }
                    if isReloading {
                        // Stops the listener, which waits for the write.
                        try plant.write(yaml.replacing("write-endpoint: true", with: "write-endpoint: false"))
                        gateway.signal(SIGHUP)
                        _ = try await gateway.log.first { $0.contains("Reloading") }
                    }
                    gateway.signal(SIGTERM)
                    _ = try await gateway.log.first { $0.contains("Stopped") }
                    return try await group.next()
                }
            }
            // It may have been sent, or wait behind a poll that hangs. A reload that stops the listener may cut the answer
            // off; the log has the verdict in any case.
            let told = try #require(answer)
            let isTold = told.body.contains("unknown: ") || told.body.contains("device-offline: ")
            #expect(isTold || (isReloading && told.status == 0), "\(told)")
            let outcomes = try await plant.auditLines("--action", "write").map(\.outcome)
            #expect(outcomes == ["begun", "unknown"] || outcomes == ["begun", "failed"], "\(outcomes)")
        }
    }
}
