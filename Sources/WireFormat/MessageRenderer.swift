package import Tags

/// Renders the standard message of WIRE.md §2, byte for byte:
/// `{"timestamp":T,"values":[{"id":"…","v":…,"q":…,"t":…},…]}`.
///
/// Events are rendered as they come and joined by commas; a message is a head, some events and a tail, so that cutting a
/// message copies bytes once and renders nothing again.
package enum MessageRenderer {
    /// The constant start of an item's events, `{"id":"Channel.Device.Tag","v":`, rendered once per item.
    package static func prefix(for name: TagName) -> [UInt8] {
        var json = JSONBytes(capacity: name.text.utf8.count + 16)
        json.append(raw: #"{"id":"#)
        json.append(string: name.text)
        json.append(raw: #","v":"#)
        return json.bytes
    }

    /// One event. A number that JSON cannot write is null with `q:false`.
    package static func append(event prefix: [UInt8], _ value: TagValue, to json: inout JSONBytes) {
        json.append(raw: prefix)
        json.append(data: value.data)
        if value.quality.isGood && value.data.isWritable {
            json.append(raw: #","q":true,"t":"#)
        } else {
            json.append(raw: #","q":false,"t":"#)
        }
        json.append(integer: value.timestamp.milliseconds)
        json.append(0x7D)
    }

    package static func appendHead(time: Timestamp, to json: inout JSONBytes) {
        json.append(raw: #"{"timestamp":"#)
        json.append(integer: time.milliseconds)
        json.append(raw: #","values":["#)
    }

    package static func appendTail(to json: inout JSONBytes) {
        json.append(raw: "]}")
    }
}

extension TagData {
    /// Whether JSON has a way to write it other than null.
    var isWritable: Bool {
        switch self {
        case .float(let value): value.isFinite
        case .double(let value): value.isFinite
        case .none: false
        case .array(let array): array.elements.allSatisfy(\.isWritable)
        case .boolean, .integer, .unsigned, .date, .string: true
        }
    }
}
