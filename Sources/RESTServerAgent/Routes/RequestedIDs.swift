import NIOCore
import WireFormat

/// The ids of a read request, out of its query or its body.
enum RequestedIDs {
    /// Bytes of one id; the longest name that a tag may sensibly have is well below.
    static let longestID = 4096

    /// Why a request's ids cannot be read, for people.
    struct Failure: Error, Equatable {
        let reason: String
        init(_ reason: String) { self.reason = reason }
    }

    /// `ids=A&ids=B`, in order. Other parameters and empty ones (a trailing `&`) are passed over; commas do not split.
    ///
    /// Percent-encoding is undone once. `+` is a space, as in forms: clients that encode a plus do it as `%2B`.
    static func fromQuery(_ query: Substring, limit: Int) throws(Failure) -> ByteStrings {
        var text = query
        var result = Result<ByteStrings, Failure>.success(ByteStrings())
        text.withUTF8 { bytes in
            result = Result { () throws(Failure) in try fromQuery(bytes, limit: limit) }
        }
        return try result.get()
    }

    /// The same out of a whole request target.
    static func fromTarget(_ target: String, limit: Int) throws(Failure) -> ByteStrings {
        var target = target
        var ids = ByteStrings()
        var failure: Failure?
        target.withUTF8 { bytes in
            guard let mark = bytes.firstIndex(of: 0x3F) else { return }
            do throws(Failure) {
                ids = try fromQuery(UnsafeBufferPointer(rebasing: bytes[(mark + 1)...]), limit: limit)
            } catch {
                failure = error
            }
        }
        if let failure { throw failure }
        return ids
    }

    private static func fromQuery(_ query: UnsafeBufferPointer<UInt8>, limit: Int) throws(Failure) -> ByteStrings {
        var ids = ByteStrings(byteCapacity: query.count)
        var start = 0
        while start < query.count {
            var end = start
            while end < query.count, query[end] != 0x26 { end += 1 }
            if end - start >= 4, query[start] == 0x69, query[start + 1] == 0x64, query[start + 2] == 0x73,
                query[start + 3] == 0x3D
            {
                guard ids.count < limit else { throw Failure("more than \(limit) ids (limits.ids-per-request)") }
                try decode(query[(start + 4)..<end], into: &ids)
            }
            start = end + 1
        }
        return ids
    }

    private static func decode(
        _ value: Slice<UnsafeBufferPointer<UInt8>>, into ids: inout ByteStrings
    ) throws(Failure) {
        let first = ids.bytes.count
        var index = value.startIndex
        while index < value.endIndex {
            let byte = value[index]
            switch byte {
            case 0x25:
                guard value.endIndex - index >= 3, let high = hexDigit(value[index + 1]),
                    let low = hexDigit(value[index + 2])
                else { throw Failure("id \(ids.count + 1) has a % that two hexadecimal digits do not follow") }
                ids.bytes.append(high << 4 | low)
                index += 2
            case 0x2B: ids.bytes.append(0x20)
            default: ids.bytes.append(byte)
            }
            index += 1
        }
        guard ids.bytes.count - first <= longestID else {
            throw Failure("id \(ids.count + 1) is longer than \(longestID) bytes")
        }
        guard ids.bytes.withUnsafeBufferPointer({ isUTF8(UnsafeBufferPointer(rebasing: $0[first...])) }) else {
            throw Failure("id \(ids.count + 1) is not UTF-8")
        }
        ids.endString()
    }

    /// `["A","B"]`
    static func fromBody(_ body: ByteBuffer, limit: Int) throws(Failure) -> ByteStrings {
        var result = Result<ByteStrings, JSONError>.success(ByteStrings())
        body.withUnsafeReadableBytes { raw in
            result = Result { () throws(JSONError) in
                try JSONReader.strings(raw.bindMemory(to: UInt8.self), limit: limit, stringLimit: longestID)
            }
        }
        do {
            return try result.get()
        } catch {
            throw Failure("the body is not a JSON array of ids: \(error)")
        }
    }
}
