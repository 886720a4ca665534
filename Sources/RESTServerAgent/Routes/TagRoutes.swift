import NIOCore
import NIOHTTP1
import SecurityPolicy
import TagStore
import Tags
import WireFormat

/// `browse` and `read`, as WIRE.md has them.
struct TagRoutes: Sendable {
    let store: TagStore
    let idsPerRequest: Int
    let arraysAsText: Bool
    let browsed = BrowseCache()

    var routes: [Route] {
        [
            Route(
                path: "/iotgateway/browse",
                operations: [
                    Operation(
                        .GET, "The tags that the caller may browse.",
                        answers: [.init(.ok, "All of them.", .json(.init("BrowseResults")))])
                ],
                access: .tags(.browse) { await browse($0, $1) },
                atOnce: { browsedBefore($1) }),
            Route(
                path: "/iotgateway/read",
                operations: [
                    Operation(
                        .GET, "The values of tags.",
                        parameters: [
                            .init(name: "ids", summary: "The name of a tag.", isRequired: true, repeats: true)
                        ],
                        answers: [.init(.ok, "One result an id, in order.", .json(.init("ReadResults")))]),
                    Operation(
                        .POST, "The values of tags.", body: .init("IDs"),
                        answers: [.init(.ok, "One result an id, in order.", .json(.init("ReadResults")))]),
                ],
                access: .tags(.read) { read($0, $1) },
                atOnce: { read($0, $1) }),
        ]
    }

    /// `{"browseResults":[{"id":"…"},…],"succeeded":true,"reason":""}`
    private func browse(_ request: ServerRequest, _ view: TagView) async -> Reply {
        if let reply = browsedBefore(view) { return reply }
        let sight = view.sight
        // In pieces, so that a million tags do not hold the event loop up.
        let piece = 4096
        var json = JSONBytes(capacity: 1024)
        json.append(raw: "{\"browseResults\":[")
        var isFirst = true
        var start = 0
        while start < view.directory.handleLimit {
            let end = min(start + piece, view.directory.handleLimit)
            let handles = (start..<end).map { TagHandle?(TagHandle(index: UInt32($0))) }
            for case let handle? in view.limit(handles).known {
                guard let name = view.directory[handle]?.name.text else { continue }
                if isFirst { json.append(raw: "{\"id\":") } else { json.append(raw: ",{\"id\":") }
                isFirst = false
                json.append(string: name)
                json.append(0x7D)
            }
            start = end
            if start < view.directory.handleLimit { await Task.yield() }
        }
        json.append(raw: "],\"succeeded\":true,\"reason\":\"\"}")
        browsed.keep(json.bytes, for: sight)
        return Reply(.ok, .json, body: json.bytes)
    }

    private func browsedBefore(_ view: TagView) -> Reply? {
        browsed.body(for: view.sight).map { Reply(.ok, .json, body: $0) }
    }

    private func read(_ request: ServerRequest, _ view: TagView) -> Reply {
        let ids: ByteStrings
        do {
            ids = try self.ids(of: request)
        } catch {
            return .failure(.badRequest, error.reason)
        }
        let resolution = view.resolve(ids)
        let values = store.read(resolution.granted.compactMap { $0 })
        return Reply(.ok, .json, body: render(ids, resolution, values, view.directory).bytes)
    }

    private func ids(of request: ServerRequest) throws(RequestedIDs.Failure) -> ByteStrings {
        if request.method == .POST { return try RequestedIDs.fromBody(request.body, limit: idsPerRequest) }
        let ids = try RequestedIDs.fromTarget(request.target, limit: idsPerRequest)
        guard ids.count > 0 else {
            throw RequestedIDs.Failure("no ids: ask as /iotgateway/read?ids=Channel.Device.Tag&ids=…")
        }
        return ids
    }

    /// `{"readResults":[{"id":"A","s":true,"r":"","v":1,"t":1608117831416}]}`
    private func render(
        _ ids: ByteStrings, _ resolution: TagView.Resolution, _ values: [TagValue], _ directory: TagDirectory
    ) -> JSONBytes {
        var json = JSONBytes(capacity: 32 + ids.count * 80 + ids.bytes.count)
        json.append(raw: "{\"readResults\":[")
        var next = 0
        for index in 0..<ids.count {
            if index > 0 { json.append(raw: ",{\"id\":") } else { json.append(raw: "{\"id\":") }
            if let handle = resolution.granted[index] {
                // The names are of the same snapshot that gave the handle.
                json.append(string: directory[handle]?.name.text ?? ids[index])
                append(values[next], to: &json)
                next += 1
            } else if let handle = resolution.known[index] {
                json.append(string: directory[handle]?.name.text ?? ids[index])
                json.append(raw: ",\"s\":false,\"r\":\"no permission to read\",\"v\":null,\"t\":0}")
            } else {
                json.append(string: ids[index])
                json.append(raw: ",\"s\":false,\"r\":\"unknown tag\",\"v\":null,\"t\":0}")
            }
        }
        json.append(raw: "]}")
        return json
    }

    @inline(__always)
    private func append(_ value: TagValue, to json: inout JSONBytes) {
        let quality = value.data.isFinite || value.quality.isBad ? value.quality : .outOfRange
        if quality.isGood {
            json.append(raw: ",\"s\":true,\"r\":\"\",\"v\":")
        } else {
            if quality.isBad { json.append(raw: ",\"s\":false,\"r\":") } else { json.append(raw: ",\"s\":true,\"r\":") }
            json.append(string: quality.text)
            json.append(raw: ",\"v\":")
        }
        if quality.isBad {
            json.append(raw: "null")
        } else if arraysAsText, case .array = value.data {
            var text = JSONBytes(capacity: 64)
            text.append(data: value.data)
            json.append(string: String(decoding: text.bytes, as: UTF8.self))
        } else {
            json.append(data: value.data)
        }
        json.append(raw: ",\"t\":")
        json.append(integer: value.timestamp.milliseconds)
        json.append(0x7D)
    }
}

extension TagData {
    /// False for a NaN or an infinity, which JSON cannot say: such a read fails.
    @inline(__always)
    fileprivate var isFinite: Bool {
        switch self {
        case .float(let value): value.isFinite
        case .double(let value): value.isFinite
        default: true
        }
    }
}
