import Foundation
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
            clients.removeAll()
            _ = try await Self.openEventually(fixture)
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
        try await Fixture.run { fixture in
            let client = try await StreamClient(fixture.address, [Self.text], receiveBuffer: 65536)
            _ = try await client.first("values")
            // Far more than sockets and history hold: 24 MB of it.
            for number in 0..<6000 {
                let value = String(repeating: "x", count: 4096) + "\(number)"
                await fixture.set([(1, .string(value))])
                if number % 50 == 0 { try await Task.sleep(for: .milliseconds(5)) }
            }
            let missed = try await client.first("missed")
            #expect(missed.data.hasPrefix(#"{"missed":"#) && missed.data != #"{"missed":null}"#)
            var last = ""
            while !last.contains("x5999\"") { last = try await client.first("values").data }
            await fixture.set([(1, .string("after"))])
            while !last.contains("\"after\"") { last = try await client.first("values").data }
        }
    }

    @Test func whoTakesNothingIsCutOff() async throws {
        try await Fixture.run(try Self.options(streams: 2, requestTimeout: .seconds(1))) { fixture in
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
            withExtendedLifetime(client) {}
        }
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
