import NIOHTTP1
import SecurityPolicy
import TagStore
import WireFormat

/// `GET /iotgateway/stream?ids=…`: server-sent events with the values of tags as they change.
struct StreamRoute: Sendable {
    let store: TagStore
    let feed: LiveFeed
    let idsPerRequest: Int

    var route: Route {
        Route(
            path: "/iotgateway/stream",
            operations: [
                Operation(
                    .GET, "The values of tags as they change, as server-sent events.",
                    parameters: [
                        .init(name: "ids", summary: "The name of a tag.", isRequired: true, repeats: true),
                        .init(
                            place: .header, name: "Last-Event-ID",
                            summary: "The id of the last event that the client has had: it goes on from there."),
                    ],
                    answers: [
                        .init(.ok, "Events named values, refused, missed and end, until one side closes.", .events),
                        .init(.forbidden, "None of the tags may be read, or there is none of these names."),
                        .init(.serviceUnavailable, "Too many streams are open."),
                    ])
            ],
            access: .events(.read) { open($0, $1) })
    }

    private func open(_ request: ServerRequest, _ subscriber: Subscriber) -> Reply {
        let ids: ByteStrings
        do {
            ids = try RequestedIDs.fromTarget(request.target, limit: idsPerRequest)
        } catch {
            return .failure(.badRequest, error.reason)
        }
        guard ids.count > 0 else {
            return .failure(.badRequest, "no ids: ask as /iotgateway/stream?ids=Channel.Device.Tag&ids=…")
        }
        var subscriber = subscriber
        let view: TagView
        let seat: StreamSeats.Verdict
        do throws(Subscriber.Ended) {
            view = try subscriber.view(of: store.directory)
            seat = feed.seats.take(for: try subscriber.principal())
        } catch {
            return .failure(.serviceUnavailable, error.reason).with("Retry-After", "1")
        }
        switch seat {
        case .full: return tooMany("\(feed.seats.limit) streams are open (limits.streams)")
        case .principalHasTooMany:
            return tooMany("you have \(feed.seats.share) streams open, a quarter of all (limits.streams)")
        case .seat(let seat):
            let resolution = view.resolve(ids)
            guard resolution.granted.contains(where: { $0 != nil }) else {
                return .failure(.forbidden, "none of these ids is a tag that you may read")
            }
            var reply = Reply(.ok, .events)
            reply.stream = LiveStream.Opening(
                feed: feed, subscriber: subscriber, ids: ids, resolution: resolution,
                lastEventID: request.fields.lastEventID, seat: seat)
            return reply
        }
    }

    private func tooMany(_ reason: String) -> Reply {
        feed.tally.refuse()
        return .failure(.serviceUnavailable, reason).with("Retry-After", "10")
    }
}
