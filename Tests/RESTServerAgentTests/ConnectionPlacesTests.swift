import Testing

@testable import RESTServerAgent

@Suite("The places of a listener's connections", .timeLimit(.minutes(1)))
struct ConnectionPlacesTests {
    /// What a channel is here: an object, whose address another one may get.
    private final class Connection: Sendable {}

    private let connections = (0..<64).map { _ in Connection() }

    private func id(_ number: Int) -> ObjectIdentifier { ObjectIdentifier(connections[number]) }

    /// Another connection gets the address of one that has ended, and so its id: it is asked to make room once, and what
    /// is counted as on its way out does not grow.
    @Test func whoHasTheIDOfOneThatEndedIsAskedOnce() {
        var places = ConnectionPlaces(limit: 2, limitPerAddress: 100)
        for round in 0..<40 {
            #expect(places.admit(id(0), from: "a") == .init())
            places.remove(id(0))
            #expect(places.admit(id(0), from: "a") == .init())
            #expect(places.admit(id(1), from: "a") == .init())
            // Nobody has ended in between.
            #expect(places.admit(id(2), from: "b") == .init(making: [id(0)]), "round \(round)")
            #expect(places.admit(id(3), from: "b") == .init(making: [id(1)]), "round \(round)")
            #expect(places.yielding == 2)
            for number in 0..<4 { places.remove(id(number)) }
            #expect(places.yielding == 0 && places.count == 0, "round \(round)")
        }
    }

    /// Nor is it taken for the older one.
    @Test func whoHasTheIDOfOneThatEndedIsTheYoungest() {
        var places = ConnectionPlaces(limit: 2, limitPerAddress: 100)
        #expect(places.admit(id(0), from: "a") == .init())
        places.remove(id(0))
        #expect(places.admit(id(1), from: "a") == .init())
        #expect(places.admit(id(0), from: "a") == .init())
        #expect(places.admit(id(2), from: "a") == .init(making: [id(1)]))
    }

    @Test func theOldestMakesRoomAndNoMoreThanAFewAtATime() {
        var places = ConnectionPlaces(limit: 20, limitPerAddress: 100)
        for number in 0..<20 { #expect(places.admit(id(number), from: "a") == .init()) }
        for number in 0..<ConnectionPlaces.mostYielding {
            #expect(places.admit(id(20 + number), from: "a") == .init(making: [id(number)]))
        }
        #expect(places.admit(id(40), from: "a") == .init(refusal: .tooMany))
        // One has ended: there is room for one more to be asked.
        places.remove(id(0))
        #expect(places.admit(id(40), from: "a") == .init(making: [id(16)]))
        #expect(places.admit(id(41), from: "a") == .init(refusal: .tooMany))
    }

    @Test func whoHasLoggedInStaysAndWhoIsAnsweredIsAskedAgain() {
        var places = ConnectionPlaces(limit: 3, limitPerAddress: 100)
        for number in 0..<3 { _ = places.admit(id(number), from: "a") }
        places.keep(id(0))
        #expect(places.admit(id(3), from: "a") == .init(making: [id(1)]))
        // It is being answered: the next in turn is asked, and later it again.
        places.decline(id(1))
        #expect(places.yielding == 0)
        #expect(places.admit(id(4), from: "a") == .init(making: [id(2), id(3)]))
        places.remove(id(2))
        places.remove(id(3))
        #expect(places.admit(id(5), from: "a") == .init(making: [id(1)]))
        // Somebody logs in on it while it is asked: it stays, and two others go for it and for the new one.
        places.keep(id(1))
        #expect(places.yielding == 0)
        #expect(places.admit(id(6), from: "a") == .init(making: [id(4), id(5)]))
    }

    @Test func anAddressHasItsShareAndAProxyAllOfThem() {
        var places = ConnectionPlaces(limit: 100, limitPerAddress: 2)
        for number in 0..<2 { #expect(places.admit(id(number), from: "a") == .init()) }
        #expect(places.admit(id(2), from: "a") == .init(refusal: .tooManyFromThere))
        #expect(places.admit(id(2), from: "a", isProxy: true) == .init())
        #expect(places.admit(id(3), from: "b") == .init())
        for number in 0..<2 { places.remove(id(number)) }
        #expect(places.admit(id(0), from: "a") == .init())
    }

    @Test func whereDescriptorsAreShortAPlaceIsTakenOver() {
        var places = ConnectionPlaces(limit: 100, limitPerAddress: 100)
        #expect(places.admit(id(0), from: "a", .critical) == .init(refusal: .fewDescriptors))
        #expect(places.admit(id(0), from: "a", .short) == .init())
        #expect(places.admit(id(1), from: "a", .critical) == .init(making: [id(0)]))
        places.keep(id(1))
        #expect(places.admit(id(2), from: "a", .critical) == .init(refusal: .fewDescriptors))
    }

    /// Connections that come and go are forgotten, those that stay are not.
    @Test func theOldestIsFoundBehindThousandsThatHaveGone() {
        var places = ConnectionPlaces(limit: 2, limitPerAddress: 100)
        #expect(places.admit(id(0), from: "a") == .init())
        for number in 0..<5000 {
            #expect(places.admit(id(1 + number % 8), from: "a") == .init())
            places.remove(id(1 + number % 8))
        }
        #expect(places.admit(id(1), from: "a") == .init())
        #expect(places.admit(id(2), from: "a") == .init(making: [id(0)]))
    }
}

@Suite("What the log is told of a flood", .timeLimit(.minutes(1)))
struct TellingTests {
    @Test func onceASecondWithTheNumberOfTheOthers() {
        var telling = Telling()
        let begin = ContinuousClock.now
        #expect(telling.tell(begin) == 0)
        for number in 1...30 { #expect(telling.tell(begin + .milliseconds(30 * number)) == nil) }
        #expect(telling.tell(begin + .seconds(1)) == 30)
        #expect(telling.tell(begin + .seconds(1.5)) == nil)
        #expect(telling.tell(begin + .seconds(60)) == 1)
        #expect(telling.happened == 34)
    }
}
