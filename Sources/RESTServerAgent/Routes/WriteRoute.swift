import NIOCore
import NIOHTTP1
import WireFormat
import Writes

/// `write`, as WIRE.md has it: `[{"id":"A","v":42},…]`, or one such object.
struct WriteRoute: Sendable {
    let agent: String
    /// `write-endpoint`: false stands above every permission.
    let isOn: Bool
    let idsPerRequest: Int

    var route: Route {
        Route(
            path: "/iotgateway/write",
            operations: [
                isOn
                    ? Operation(
                        .POST, "Writes values to tags.", body: .init("Writes"),
                        answers: [.init(.ok, "One result a write, in order.", .json(.init("WriteResults")))])
                    : Operation(
                        .POST, "Off: nobody writes through this agent (write-endpoint: false).", body: .init("Writes"),
                        answers: [.init(.forbidden, "Writing is off for this agent.")])
            ],
            access: .writes { await write($0, $1) })
    }

    private func write(_ request: ServerRequest, _ access: WriteAccess) async -> Reply {
        guard isOn else {
            let reason = "writing is off: write-endpoint is false for the agent \(agent)"
            access.noteOff(reason)
            return .failure(.forbidden, reason)
        }
        let requests: [WriteRequest]
        do {
            requests = try WriteRoute.requests(request.body, limit: idsPerRequest)
        } catch {
            return .failure(.badRequest, error.reason)
        }
        return Reply(.ok, .json, body: WriteRoute.render(await access.perform(requests)))
    }

    /// Why a body cannot be read, for people. Nothing of it was carried out.
    struct Malformed: Error, Equatable {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    static func requests(_ body: ByteBuffer, limit: Int) throws(Malformed) -> [WriteRequest] {
        // Room for arrays beside the three values of each write.
        let limits = JSONReader.Limits(depth: 32, elements: max(100_000, limit * 4))
        let result = body.withUnsafeReadableBytes { raw in
            Result { () throws(JSONError) in
                try JSONReader.value(raw.bindMemory(to: UInt8.self), limits: limits)
            }
        }
        let value: JSONValue
        do {
            value = try result.get()
        } catch {
            throw Malformed("the body is not JSON: \(error)")
        }
        guard case .array(let elements) = value else { return [try WriteRoute.request(value, 1)] }
        guard elements.count <= limit else {
            throw Malformed("more than \(limit) writes (limits.ids-per-request)")
        }
        var requests: [WriteRequest] = []
        requests.reserveCapacity(elements.count)
        for element in elements { requests.append(try WriteRoute.request(element, requests.count + 1)) }
        return requests
    }

    /// - Parameter number: counted from 1, as people count.
    private static func request(_ value: JSONValue, _ number: Int) throws(Malformed) -> WriteRequest {
        guard case .object(let members) = value else {
            throw Malformed(#"write \#(number) is not an object, as {"id":"Channel.Device.Tag","v":42}"#)
        }
        var id: String?
        var data: JSONValue?
        for member in members {
            // By bytes: two texts that are equal to Swift need not be to others.
            if member.name.utf8.elementsEqual("id".utf8) {
                guard case .string(let text) = member.value else {
                    throw Malformed("the id of write \(number) is not a text in quotes")
                }
                guard text.utf8.count <= RequestedIDs.longestID else {
                    throw Malformed("the id of write \(number) is longer than \(RequestedIDs.longestID) bytes")
                }
                id = text
            } else if member.name.utf8.elementsEqual("v".utf8) {
                data = member.value
            } else {
                let name = LoginFailureLog.printable(member.name)
                throw Malformed("write \(number) has the member \"\(name)\"; there are id and v")
            }
        }
        guard let id else { throw Malformed("write \(number) has no id") }
        guard let data else { throw Malformed("write \(number) has no v") }
        return WriteRequest(tag: id, value: data)
    }

    /// `{"writeResults":[{"id":"A","s":true,"r":""}]}`
    static func render(_ verdicts: [WriteVerdict]) -> [UInt8] {
        var json = JSONBytes(capacity: 32 + verdicts.count * 64)
        json.append(raw: "{\"writeResults\":[")
        for (index, verdict) in verdicts.enumerated() {
            if index > 0 { json.append(raw: ",{\"id\":") } else { json.append(raw: "{\"id\":") }
            json.append(string: verdict.tag)
            json.append(raw: ",\"s\":")
            json.append(bool: verdict.isApplied)
            json.append(raw: ",\"r\":")
            json.append(string: verdict.text)
            json.append(0x7D)
        }
        json.append(raw: "]}")
        return json.bytes
    }
}
