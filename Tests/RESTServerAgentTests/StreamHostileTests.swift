import Foundation
import Logging
import NIOCore
import SecurityPolicy
import TagStore
import Tags
import Testing

@testable import RESTServerAgent

/// Streams of clients that do not behave.
@Suite("Hostile streams", .serialized, .timeLimit(.minutes(4)))
struct StreamHostileTests {
    private static let five = "Simulator.T2.5S", text = "Simulator.T2.K0"

    private static func options(streams: Int = 256, requestTimeout: Duration = .seconds(15)) throws
        -> RESTServerAgentOptions
    {
        var options = try Fixture.options()
        options.limits.streams = streams
        options.limits.connections = 2000
        options.limits.connectionsPerAddress = 2000
        options.limits.requestTimeout = requestTimeout
        return options
    }

    /// Asks again until there is a place: seats are free when the server has seen the end.
    private static func openEventually(_ fixture: Fixture) async throws -> StreamClient {
        let end = ContinuousClock.now + .seconds(20)
        while true {
            let client = try await StreamClient(fixture.address, [five])
            if client.head.hasPrefix("HTTP/1.1 200") { return client }
            guard ContinuousClock.now < end else { throw RawConnection.Failure(description: client.head) }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    @Test func oneMoreThanAllowedIsTurnedAwayAndPlacesComeBack() async throws {
        try await Fixture.run(try Self.options(streams: 10)) { fixture in
            // A principal's share is eight.
            var clients: [StreamClient] = []
            for _ in 0..<8 { clients.append(try await StreamClient(fixture.address, [Self.five])) }
            var reply = try await fixture.ask("GET", StreamClient.target([Self.five]))
            #expect(reply.status == 503 && reply.headers["retry-after"] == "10")
            #expect(reply.body.contains("you have 8 streams open, a quarter of all (limits.streams)"))
            for _ in 0..<2 { clients.append(try await StreamClient(fixture.address, [Self.five], [Fixture.viewer])) }
            reply = try await fixture.ask("GET", StreamClient.target([Self.five]), [Fixture.viewer])
            #expect(reply.status == 503 && reply.body.contains("10 streams are open (limits.streams)"))
            for client in clients { #expect(try await client.first("values").values == ["Simulator.T2.5S=1"]) }
            #expect(try await fixture.figure("sallyport_streams") == 10)
            #expect(try await fixture.figure("sallyport_streams_refused_total") == 2)
            clients.removeAll()
            _ = try await Self.openEventually(fixture)
            try await fixture.figure("sallyport_streams") { $0 == 0 }
            #expect(try await fixture.figure("sallyport_streams_cut_off_total") == 0)
        }
    }

    /// The client resets the connection while its tags are looked at, so that the head of the answer cannot be written.
    @Test func resetBeforeTheHeadLeavesNoSeatTaken() async throws {
        try await Fixture.run(try Self.options(streams: 8)) { fixture in
            // A token is checked at once: everything from the request's last byte to the head is one turn.
            let token = try await fixture.users.createToken(name: "pump", groups: ["viewers"], expires: nil)
            let ids = (0..<9_000).map { "a\($0 % 10)" } + [Self.five]
            let request = Array(
                Fixture.request("GET", StreamClient.target(ids), ["Authorization: Bearer \(token)"]).utf8)
            for round in 0..<40 {
                let connection = try RawConnection(fixture.address)
                connection.endWithReset()
                try await connection.send(Array(request.dropLast()))
                // That much has been read by then.
                try await Task.sleep(for: .milliseconds(10))
                try await connection.send(Array(request.suffix(1)))
                try await Task.sleep(for: .microseconds(50 * round))
                withExtendedLifetime(connection) {}
            }
            let end = ContinuousClock.now + .seconds(20)
            while fixture.agent.feed.seats.count > 0, ContinuousClock.now < end {
                try await Task.sleep(for: .milliseconds(10))
            }
            #expect(fixture.agent.feed.seats.count == 0)
            var clients: [StreamClient] = []
            for _ in 0..<8 { clients.append(try await Self.openEventually(fixture)) }
            await fixture.set([(0, .integer(2))])
            for client in clients { try await client.wait(for: ["Simulator.T2.5S=2"]) }
        }
    }

    @Test func openedAndCutThousandsOfTimes() async throws {
        try await Fixture.run(try Self.options(streams: 40)) { fixture in
            try await withThrowingTaskGroup(of: Void.self) { group in
                for worker in 0..<8 {
                    group.addTask {
                        for round in 0..<100 {
                            let connection = try RawConnection(fixture.address)
                            try await connection.send(Fixture.request("GET", StreamClient.target([Self.five])))
                            if (worker + round) % 3 == 0 { _ = try await connection.receiveSome() }
                            if (worker + round) % 3 == 1 { connection.finishSending() }
                        }
                    }
                }
                group.addTask {
                    for number in 0..<500 {
                        await fixture.set([(0, .integer(Int64(number)))])
                        try await Task.sleep(for: .milliseconds(1))
                    }
                }
                try await group.waitForAll()
            }
            let client = try await Self.openEventually(fixture)
            await fixture.set([(0, .integer(4711))])
            try await client.wait(for: ["Simulator.T2.5S=4711"])
            #expect(try await fixture.ask("GET", "/healthz").status == 200)
        }
    }

    @Test func aHalfClosedClientIsGone() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five])
            _ = try await client.first("values")
            client.connection.finishSending()
            #expect(try await client.next() == nil)
        }
    }

    /// What is not taken is not kept: the history goes on without the slow reader, which is told and gets all anew.
    @Test func aSlowReaderIsToldWhatItMissed() async throws {
        let lines = LogLines()
        try await Fixture.run(
            try Self.options(requestTimeout: .seconds(100)), history: ChangeHistory(byteCapacity: 1 << 20),
            logger: Logger(label: "test") { _ in lines }
        ) { fixture in
            let client = try await StreamClient(fixture.address, [Self.text], receiveBuffer: 65536)
            let id = try #require(try await client.first("values").id)
            // Four megabytes on: far more than the sockets hold, and the history has let go of it.
            let place = try #require(ResumePoint(id)).count + 1000
            let value = String(repeating: "x", count: 4096)
            var number = 0
            while true {
                if case .lost(_?) = fixture.agent.feed.read(from: place) { break }
                for _ in 0..<50 {
                    number += 1
                    await fixture.set([(1, .string("\(value)\(number)"))])
                }
                try await Task.sleep(for: LiveFeed.beat)
            }
            let missed = try await client.first("missed")
            #expect(missed.data.hasPrefix(#"{"missed":"#) && missed.data != #"{"missed":null}"#)
            var last = ""
            while !last.contains("x\(number)\"") { last = try await client.first("values").data }
            await fixture.set([(1, .string("after"))])
            while !last.contains("\"after\"") { last = try await client.first("values").data }
            #expect(try await fixture.figure("sallyport_stream_missed_events_total") ?? 0 >= 1)
        }
        let told = lines.text.split(separator: "\n").first { $0.contains("Stream cannot keep up") }
        #expect(told?.contains("changes went by before it took them: ") == true, "\(told ?? "")")
    }

    @Test func whoTakesNothingIsCutOff() async throws {
        let lines = LogLines()
        try await Fixture.run(
            try Self.options(streams: 2, requestTimeout: .seconds(1)), logger: Logger(label: "test") { _ in lines }
        ) { fixture in
            let client = try await StreamClient(fixture.address, [Self.text], receiveBuffer: 64)
            let other = try await StreamClient(fixture.address, [Self.five])
            _ = try await other.first("values")
            let feeding = Task {
                var number: Int64 = 0
                while !Task.isCancelled {
                    number += 1
                    await fixture.set([
                        (1, .string(String(repeating: "x", count: 30_000) + "\(number)")), (0, .integer(number)),
                    ])
                    try? await Task.sleep(for: .milliseconds(2))
                }
            }
            defer { feeding.cancel() }
            var seen = 0
            while seen < 200 { seen += try await other.first("values").values.count }
            // Its place is free when the server has let go of it.
            _ = try await Self.openEventually(fixture)
            #expect(try await fixture.figure("sallyport_streams_cut_off_total") == 1)
            withExtendedLifetime(client) {}
        }
        #expect(lines.text.contains("Stream cannot keep up"))
        #expect(lines.text.contains("it took nothing for limits.request-timeout"))
    }

    /// A flood of slow streams is a line a second, and each of them counts.
    @Test func slowStreamsAreTold() {
        let lines = LogLines()
        let tally = StreamTally(logger: Logger(label: "test") { _ in lines })
        let begin = ContinuousClock.now
        for _ in 0..<100 {
            tally.fellBehind(ClientAddress("10.0.0.1"), by: 7)
            tally.tellMissed()
            tally.cutOff(ClientAddress("10.0.0.2"))
            tally.refuse()
        }
        let seconds = Int((ContinuousClock.now - begin) / .seconds(1))
        #expect(tally.counts == StreamCounts(refused: 100, missed: 100, cutOff: 100))
        #expect(lines.text.split(separator: "\n").count <= seconds + 1)
        #expect(lines.text.contains("10.0.0.1") && lines.text.contains("took them: 7"))
    }

    /// Rights are looked at whether or not the client takes anything: its place is free long before its deadline.
    @Test func whoTakesNothingEndsWithItsLogin() async throws {
        try await Fixture.run(try Self.options(streams: 1, requestTimeout: .seconds(100))) { fixture in
            let client = try await StreamClient(
                fixture.address, [Self.text], [Fixture.viewer], receiveBuffer: 64)
            let full = try await fixture.ask("GET", StreamClient.target([Self.five]))
            #expect(full.status == 503)
            for number in 0..<200 {
                await fixture.set([(1, .string(String(repeating: "x", count: 30_000) + "\(number)"))])
                if number % 10 == 0 { try await Task.sleep(for: .milliseconds(30)) }
            }
            try await fixture.users.disable(name: "viewer")
            _ = try await Self.openEventually(fixture)
            withExtendedLifetime(client) {}
        }
    }

    /// What it missed comes before the tags that it did not have, also when it takes it slowly and more comes meanwhile.
    @Test func otherTagsComeBehindWhatWasMissed() async throws {
        try await Fixture.run(try Self.options()) { fixture in
            let client = try await StreamClient(fixture.address, [Self.five, Self.text])
            let id = try #require(try await client.first("values").id)
            let long = String(repeating: "x", count: 1000)
            for number in 1...2000 { await fixture.set([(1, .string("\(long)\(number)"))]) }
            let again = try await StreamClient(
                fixture.address, [Self.five, Self.text, "Simulator.T2.Bad"],
                [Fixture.admin, "Last-Event-ID: \(id)"], receiveBuffer: 65_536)
            for number in 1...100 {
                await fixture.set([(1, .string("\(long)\(number)"))])
                try await Task.sleep(for: .milliseconds(2))
            }
            await fixture.set([(0, .integer(2))])
            var seen: [String] = []
            while seen.last != "Simulator.T2.5S=2" { seen += try await again.first("values").values }
            let behind = try #require(seen.firstIndex(of: "Simulator.T2.Bad=7!"))
            #expect(seen[..<behind].count >= 2000 && seen.count == 2104, "\(behind) of \(seen.count)")
        }
    }

    @Test func manyIDsAndTooMany() async throws {
        try await Fixture.run { fixture in
            let ids = (0..<9_000).map { "a\($0 % 10)" } + [Self.five]
            let client = try await StreamClient(fixture.address, ids)
            var refused = 0
            while refused < 9_000 {
                let event = try #require(await client.next())
                #expect(event.name == "refused")
                refused += try event.refused.count
            }
            #expect(try await client.first("values").values == ["Simulator.T2.5S=1"])
            try await fixture.expect(
                431, "GET", StreamClient.target((0..<20_000).map { "a\($0)" }))
            var options = try Fixture.options()
            options.limits.idsPerRequest = 3
            try await Fixture.run(options) { fixture in
                try await fixture.expect(400, "GET", StreamClient.target([Self.five, "a", "b", "c"]))
            }
        }
    }

    /// Policies and tags change all the time: the stream lives, and no tag goes back to an older value.
    @Test func aStormOfReloads() async throws {
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.five, Self.text], [Fixture.viewer])
            _ = try await client.first("values")
            try fixture.deny(Self.five)
            for round in 0..<200 {
                await fixture.set([(0, .integer(Int64(round * 2 + 1)))])
                if round % 10 == 9 {
                    let handle = try await fixture.store.register([
                        TagDefinition(name: TagName(validated: "Other.D.T\(round)"), dataType: .long)
                    ])
                    if round % 20 == 19 { await fixture.store.remove(handle) }
                }
                await fixture.set([(0, .integer(Int64(round * 2 + 2)))])
                fixture.policy.replace(PolicySnapshot(groups: try Fixture.groups()))
                if round % 7 == 0 { try await Task.sleep(for: .milliseconds(25)) }
                try fixture.deny(Self.five)
            }
            await fixture.set([(0, .integer(1_000_000))])
            fixture.policy.replace(PolicySnapshot(groups: try Fixture.groups()))
            var numbers: [Int] = []
            while numbers.last != 1_000_000 {
                let event = try #require(await client.next())
                guard event.name == "values" else { continue }
                numbers += try event.values.compactMap { $0.split(separator: "=").last.flatMap { Int($0) } }
            }
            #expect(numbers == numbers.sorted())
        }
    }
}
