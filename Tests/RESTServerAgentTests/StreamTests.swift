import NIOCore
import SecurityPolicy
import ServiceLifecycle
import TagStore
import Tags
import Testing

@testable import RESTServerAgent

/// The stream over real sockets: what comes, in which order, and from when on not any more.
@Suite("Streams", .timeLimit(.minutes(3)))
struct StreamTests {
    private static let five = "Simulator.T2.5S", array = "Simulator.T2.Array[0]", noRead = "Simulator.T2.NoRead"

    @Test func headValuesAndChanges() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(
                fixture.address, ["simulator.t2.5s", "Simulator.T2.Bad", "No.Such.Tag"])
            for line in [
                "HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked",
                "Cache-Control: no-store", "X-Accel-Buffering: no",
            ] {
                #expect(client.head.contains(line + "\r\n"), "\(client.head)")
            }
            let refused = try #require(await client.next())
            #expect(refused.name == "refused" && refused.id == nil)
            #expect(try refused.refused == ["No.Such.Tag: unknown tag"])
            let first = try #require(await client.next())
            #expect(first.name == "values")
            let good = #"{"id":"Simulator.T2.5S","v":1,"q":true,"t":1608117831416}"#
            let bad = #"{"id":"Simulator.T2.Bad","v":7,"q":false,"t":1608117831416}"#
            #expect(first.data == #"{"values":[\#(good),\#(bad)]}"#)
            // Every change, in order, those of other tags not among them.
            for number in 2..<50 { await fixture.set([(0, .integer(Int64(number))), (5, .integer(Int64(number)))]) }
            var seen: [String] = []
            while seen.count < 48 { seen += try await client.first("values").values }
            #expect(seen == (2..<50).map { "Simulator.T2.5S=\($0)" })
        }
    }

    @Test func changesOfAFewMillisecondsComeTogether() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five])
            _ = try await client.first("values")
            let begin = ContinuousClock.now
            for number in 1...1000 { await fixture.set([(0, .integer(Int64(number + 1)))]) }
            var events = 0
            var count = 0
            while count < 1000 {
                count += try await client.first("values").values.count
                events += 1
            }
            // However long it took: one at each beat, and a few for what is more than an event holds.
            let beats = Int((ContinuousClock.now - begin) / LiveFeed.beat)
            #expect(events <= beats + 4, "\(events) events for 1000 changes in \(beats) beats")
        }
    }

    /// As above, where the changes come in one batch and no clock matters: as few events as hold them.
    @Test func aThousandChangesAtOnceAreAsFewEventsAsHoldThem() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five])
            _ = try await client.first("values")
            await fixture.set((2...1001).map { (0, TagData.integer(Int64($0))) })
            var seen: [String] = []
            var events = 0
            while seen.count < 1000 {
                seen += try await client.first("values").values
                events += 1
            }
            #expect(seen == (2...1001).map { "Simulator.T2.5S=\($0)" } && events <= 3, "\(events) events")
        }
    }

    @Test func resumesWhereItLeft() async throws {
        try await Fixture.run { fixture in
            var id: String?
            do {
                let client = try await StreamClient(fixture.address, [Self.five])
                id = try await client.first("values").id
            }
            let last = try #require(id)
            for number in 2...6 { await fixture.set([(0, .integer(Int64(number)))]) }
            let again = try await StreamClient(
                fixture.address, [Self.five], [Fixture.admin, "Last-Event-ID: \(last)"])
            var seen: [String] = []
            while seen.count < 5 { seen += try await again.first("values").values }
            #expect(seen == (2...6).map { "Simulator.T2.5S=\($0)" })
            // With other tags than before it gets all of them as they are, behind the changes.
            let other = try await StreamClient(
                fixture.address, [Self.five, "Simulator.T2.Big"], [Fixture.admin, "Last-Event-ID: \(last)"])
            seen = []
            while seen.count < 7 { seen += try await other.first("values").values }
            #expect(seen[..<5] == (2...6).map { "Simulator.T2.5S=\($0)" }[...])
            #expect(seen[5] == "Simulator.T2.5S=6" && seen[6].hasPrefix("Simulator.T2.Big="))
        }
    }

    /// A place that this run has as well, but for another START: what is there is not what the client has missed.
    @Test func onlyTheSameRunsPlaceIsTaken() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five])
            let id = try #require(try await client.first("values").id)
            let forged = (id.hasPrefix("f") ? "e" : "f") + id.dropFirst()
            let other = try await StreamClient(
                fixture.address, [Self.five], [Fixture.admin, "Last-Event-ID: \(forged)"])
            await fixture.set([(0, .integer(2))])
            let first = try #require(await other.next())
            #expect(first.name == "missed" && first.data == #"{"missed":null}"#, "\(first)")
            try await other.wait(for: ["Simulator.T2.5S=2"])
        }
    }

    /// Proxies end what is silent for long.
    @Test func aCommentComesWhereNothingHappens() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five], patience: 60)
            let begin = ContinuousClock.now
            let id = try #require(try await client.first("values").id)
            let comment = try #require(try await client.next(comments: true))
            #expect(comment.isComment && comment.id == id, "\(comment)")
            let silence = ContinuousClock.now - begin
            #expect(silence > .seconds(10) && silence < .seconds(20), "\(silence)")
        }
    }

    /// Nobody streams for a while: following ends, and nobody knows what came before it begins again.
    @Test func followingEndsWhenNobodyComesBackInTime() async throws {
        try await Fixture.run(patience: .milliseconds(200)) { fixture in
            let feed = fixture.agent.feed
            func connect(_ lastEventID: String? = nil) async throws -> StreamClient {
                let headers = [Fixture.admin] + (lastEventID.map { ["Last-Event-ID: \($0)"] } ?? [])
                return try await StreamClient(fixture.address, [Self.five], headers)
            }
            #expect(!feed.isLive)
            let id: String
            do {
                let client = try await connect()
                id = try #require(try await client.first("values").id)
                #expect(feed.isLive)
                #expect(await fixture.store.subscriptions == 1)
                withExtendedLifetime(client) {}
            }
            let end = ContinuousClock.now + .seconds(20)
            while await fixture.store.subscriptions > 0, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(await fixture.store.subscriptions == 0)
            #expect(!feed.isLive)
            await fixture.set([(0, .integer(2))])
            let again = try await connect(id)
            let first = try #require(await again.next())
            #expect(first.name == "missed" && first.data == #"{"missed":null}"#, "\(first)")
            #expect(try await again.first("values").values == ["Simulator.T2.5S=2"])
            await fixture.set([(0, .integer(3))])
            try await again.wait(for: ["Simulator.T2.5S=3"])
        }
    }

    @Test(arguments: ["x", "1a20ab0dbcd1a6cefeeff63b658-4", "0-0"])
    func anotherRunsPlaceIsMissed(_ id: String) async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(
                fixture.address, [Self.five], [Fixture.admin, "Last-Event-ID: \(id)"])
            let first = try #require(await client.next())
            #expect(first.name == "missed" && first.data == #"{"missed":null}"#)
            #expect(try await client.first("values").values == ["Simulator.T2.5S=1"])
        }
    }

    @Test func aResumeShowsNothingThatWasTakenAway() async throws {
        try await Fixture.run { fixture in
            var id: String?
            do {
                let client = try await StreamClient(fixture.address, [Self.five, Self.array], [Fixture.viewer])
                id = try await client.first("values").id
            }
            await fixture.set([(0, .integer(4711)), (4, .integer(5))])
            try fixture.deny(Self.five)
            let again = try await StreamClient(
                fixture.address, [Self.five, Self.array], [Fixture.viewer, "Last-Event-ID: \(try #require(id))"])
            let refused = try #require(await again.next())
            #expect(try refused.refused == ["Simulator.T2.5S: no permission to read"])
            let values = try #require(await again.next())
            #expect(try values.values == ["Simulator.T2.Array[0]=5"])
        }
    }

    // MARK: rights

    @Test func aTagThatIsTakenAwayStopsAtOnceAndComesBack() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five, Self.array], [Fixture.viewer])
            _ = try await client.first("values")
            try fixture.deny(Self.five)
            await fixture.set([(0, .integer(666)), (4, .integer(7))])
            var events: [StreamClient.Event] = []
            while events.last?.name != "values" { events.append(try #require(await client.next())) }
            #expect(try events.first?.refused == ["Simulator.T2.5S: no permission to read"])
            #expect(try events.last?.values == ["Simulator.T2.Array[0]=7"])
            fixture.policy.replace(PolicySnapshot(groups: try Fixture.groups()))
            #expect(try await client.first("values").values == ["Simulator.T2.5S=666"])
            await fixture.set([(0, .integer(8)), (4, .integer(9))])
            #expect(
                try await client.first("values").values == ["Simulator.T2.5S=8", "Simulator.T2.Array[0]=9"])
        }
    }

    @Test func refusedTagsAreOneEntryInTheAuditLog() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(
                fixture.address, [Self.five, Self.noRead, "Secret.PLC.Key", "No.Such"], [Fixture.viewer])
            let refused = try await client.first("refused").refused
            #expect(
                refused == [
                    "Simulator.T2.NoRead: no permission to read", "Secret.PLC.Key: unknown tag", "No.Such: unknown tag",
                ])
            for number in 2..<20 { await fixture.set([(0, .integer(Int64(number))), (10, .integer(Int64(number)))]) }
            try await client.wait(for: ["Simulator.T2.5S=19"])
            var entries = try await fixture.entries { $0.action == "read" && $0.outcome == "refused" }
            #expect(entries.map(\.object) == [Self.noRead])
            #expect(entries.map(\.count) == [2])
            try fixture.deny(Self.five)
            _ = try await client.first("refused")
            entries = try await fixture.entries { $0.action == "read" && $0.outcome == "refused" }
            #expect(entries.map(\.object) == [Self.noRead, Self.five])
        }
    }

    /// What ends a login, and whether it does.
    enum Change: CaseIterable {
        case disabled, removed, password, groups, others, token

        var ends: Bool { self != .groups && self != .others }
    }

    @Test(arguments: Change.allCases)
    func aLoginThatIsNoMoreEndsTheStream(_ change: Change) async throws {
        try await Fixture.run { fixture in
            let token = try await fixture.users.createToken(name: "pump", groups: ["viewers"], expires: nil)
            let header = change == .token ? "Authorization: Bearer \(token)" : Fixture.viewer
            let client = try await StreamClient(fixture.address, [Self.five, Self.array], [header])
            _ = try await client.first("values")
            switch change {
            case .disabled: try await fixture.users.disable(name: "viewer")
            case .removed: try await fixture.users.remove(name: "viewer")
            case .password: try await fixture.users.setPassword(of: "viewer", to: "another good long one")
            case .groups: try await fixture.users.setGroups(of: "viewer", to: ["watchers"])
            case .others: try await fixture.users.add(name: "x", password: Fixture.password, groups: ["viewers"])
            case .token: try await fixture.users.revokeToken(name: "pump")
            }
            await fixture.set([(0, .integer(666))])
            let next = try #require(await client.next())
            switch change {
            case .groups:
                #expect(
                    try next.refused == ["Simulator.T2.5S: unknown tag", "Simulator.T2.Array[0]: unknown tag"])
            case .others: #expect(try next.values == ["Simulator.T2.5S=666"])
            case .disabled, .removed, .password, .token:
                #expect(next.name == "end", "\(next)")
                #expect(next.data == #"{"reason":"the login no longer holds: log in again"}"#)
                #expect(try await client.next() == nil)
                #expect(try await client.connection.receiveSome() == nil)
            }
        }
    }

    /// A quarter of a minute: what is promised to proxies and to clients with a timeout. Five seconds more are for slow
    /// machines.
    @Test(.timeLimit(.minutes(1))) func silenceIsBrokenByAComment() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five], patience: 30)
            let first = try await client.first("values")
            let begin = ContinuousClock.now
            // A change that is not the stream's: the comment has a newer place to resume from.
            await fixture.set([(5, .integer(8))])
            let comment = try #require(await client.next(comments: true))
            #expect(ContinuousClock.now - begin < .seconds(20))
            #expect(comment.isComment && comment.name.isEmpty && comment.data.isEmpty, "\(comment)")
            let place = try #require(comment.id)
            #expect(place != first.id)
            let again = try await StreamClient(
                fixture.address, [Self.five], [Fixture.admin, "Last-Event-ID: \(place)"])
            await fixture.set([(0, .integer(2))])
            let next = try #require(await again.next())
            #expect(try next.name == "values" && next.values == ["Simulator.T2.5S=2"], "\(next)")
        }
    }

    /// Nothing changes there: the tick sees it.
    @Test func anIdleStreamEndsToo() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five], [Fixture.viewer])
            _ = try await client.first("values")
            try await fixture.users.disable(name: "viewer")
            #expect(try await client.next()?.name == "end")
        }
    }

    @Test func noReadableTagIsRefused() async throws {
        try await Fixture.run { fixture in
            for ids in [["No.Such"], ["Secret.PLC.Key"], ["Outside.D.T"], ["Simulator.T2.Hidden", Self.noRead]] {
                let reply = try await fixture.ask("GET", StreamClient.target(ids), [Fixture.viewer])
                #expect(reply.status == 403)
                #expect(reply.body == #"{"succeeded":false,"reason":"none of these ids is a tag that you may read"}"#)
            }
            try await fixture.expect(400, "GET", "/iotgateway/stream")
            try await fixture.expect(400, "GET", "/iotgateway/stream?ids=%zz")
            try await fixture.expect(401, "GET", StreamClient.target([Self.five]), [])
            try await fixture.expect(405, "POST", StreamClient.target([Self.five]), body: "[]")
        }
    }

    // MARK: tags that come and go

    @Test func aRemovedTagSaysSoAndANewOneOfItsNameIsTakenUp() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five, Self.array])
            _ = try await client.first("values")
            await fixture.store.remove([fixture.handles[0]])
            #expect(try await client.first("values").values == ["Simulator.T2.5S=1!"])
            let new = try await fixture.store.register([
                TagDefinition(name: TagName(validated: "Simulator.T2.5s"), dataType: .long)
            ])
            await fixture.store.apply([TagUpdate(handle: new[0], value: Fixture.value(.integer(77)))])
            try await client.wait(for: ["Simulator.T2.5s=77"])
            await fixture.store.apply([TagUpdate(handle: new[0], value: Fixture.value(.integer(78)))])
            try await client.wait(for: ["Simulator.T2.5s=78"])
        }
    }

    // MARK: the connection

    @Test func http10EndsWithTheConnection() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let request = Fixture.request("GET", StreamClient.target([Self.five]), [Fixture.viewer])
            try await connection.send(request.replacing("HTTP/1.1", with: "HTTP/1.0"))
            var text = ""
            while !text.contains("\"v\":1") {
                text += String(decoding: try #require(await connection.receiveSome()), as: UTF8.self)
            }
            #expect(!text.contains("Transfer-Encoding") && text.contains("\r\n\r\nretry: 2000\n\n"))
            try await fixture.users.disable(name: "viewer")
            let rest = try await connection.receiveAll()
            #expect(rest.hasSuffix("event: end\ndata: {\"reason\":\"the login no longer holds: log in again\"}\n\n"))
        }
    }

    @Test func headHasTheHeadersAndKeepsTheConnection() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            try await connection.send(Fixture.request("HEAD", StreamClient.target([Self.five])))
            let reply = try await connection.response(bodyless: true)
            #expect(reply.status == 200 && reply.headers["content-type"] == "text/event-stream")
            try await connection.send(Fixture.request("GET", "/healthz"))
            #expect(try await connection.response().status == 200)
        }
    }

    @Test func whatComesBehindIsNotRead() async throws {
        try await Fixture.run { fixture in
            let connection = try RawConnection(fixture.address)
            let request = Fixture.request("GET", StreamClient.target([Self.five]), [Fixture.viewer])
            // The same write, and again later.
            try await connection.send(request + Fixture.request("GET", "/healthz"))
            try await connection.send(Fixture.request("GET", "/healthz"))
            var text = ""
            while !text.contains("\"v\":1") {
                text += String(decoding: try #require(await connection.receiveSome()), as: UTF8.self)
            }
            try await fixture.users.disable(name: "viewer")
            text += try await connection.receiveAll()
            #expect(!text.contains("alive") && text.contains("event: end"))
        }
    }

    @Test func aGracefulStopSaysSo() async throws {
        try await ServedAgent.run { address, services in
            let client = try await StreamClient(address, ["Plant.PLC.Level"])
            _ = try await client.first("values")
            await services.triggerGracefulShutdown()
            let last = try #require(await client.next())
            #expect(last.name == "end" && last.data == #"{"reason":"the agent is stopping"}"#)
            #expect(try await client.next() == nil)
        }
    }
}

extension Fixture {
    /// The groups of the fixture, but that viewers may not read this tag.
    func deny(_ tag: String) throws {
        var groups = try Fixture.groups()
        groups[0].deny.append(PermissionRule(tags: try TagPattern(tag), actions: [.read], place: "gateway.yaml:2"))
        policy.replace(PolicySnapshot(groups: groups))
    }
}
