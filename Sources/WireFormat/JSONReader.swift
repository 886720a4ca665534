/// The strict reader for JSON from outside: UTF-8 checked, no byte order mark, no name twice in an object, no half
/// surrogates, nothing behind the end, bounded in depth and in number of elements. It keeps its own stack.
package enum JSONReader {
    package struct Limits: Sendable, Equatable {
        /// Arrays and objects inside one another.
        package var depth: Int
        /// Values of every kind, and members of objects.
        package var elements: Int
        /// Bytes of one string, decoded.
        package var string: Int

        package init(depth: Int = 32, elements: Int = 100_000, string: Int = 1 << 20) {
            self.depth = depth
            self.elements = elements
            self.string = string
        }
    }

    package static func value(_ bytes: [UInt8], limits: Limits = Limits()) throws(JSONError) -> JSONValue {
        var result = Result<JSONValue, JSONError>.success(.null)
        bytes.withUnsafeBufferPointer { buffer in
            result = Result { () throws(JSONError) in try value(buffer, limits: limits) }
        }
        return try result.get()
    }

    package static func value(
        _ bytes: UnsafeBufferPointer<UInt8>, limits: Limits = Limits()
    ) throws(JSONError) -> JSONValue {
        var builder = JSONTreeBuilder(scanner: JSONScanner(bytes), limits: limits)
        return try builder.build()
    }

    /// Reads an array of strings, as a read request is, without building a tree.
    package static func strings(
        _ bytes: UnsafeBufferPointer<UInt8>, limit: Int, stringLimit: Int
    ) throws(JSONError) -> ByteStrings {
        var scanner = JSONScanner(bytes)
        try scanner.checkStart()
        var result = ByteStrings(byteCapacity: bytes.count)
        guard scanner.take(0x5B) else { throw scanner.unexpected(.arrayOfStrings) }
        if !scanner.take(0x5D) {
            repeat {
                guard scanner.peek() == 0x22 else { throw scanner.unexpected(.string) }
                guard result.count < limit else { throw scanner.error(.tooManyElements(limit: limit)) }
                try scanner.string(into: &result.bytes, limit: stringLimit)
                result.endString()
            } while scanner.take(0x2C)
            guard scanner.take(0x5D) else { throw scanner.unexpected(.commaOrBracket) }
        }
        try scanner.checkEnd()
        return result
    }
}

/// Many strings as UTF-8 bytes in one piece of memory.
package struct ByteStrings: Sendable, Equatable {
    package var bytes: [UInt8] = []
    private var ends: [Int] = []

    package init(byteCapacity: Int = 0) {
        bytes.reserveCapacity(byteCapacity)
    }

    package var count: Int { ends.count }

    /// Makes a string of the bytes appended since the last one.
    package mutating func endString() { ends.append(bytes.count) }

    package func range(_ index: Int) -> Range<Int> { (index == 0 ? 0 : ends[index - 1])..<ends[index] }

    package subscript(_ index: Int) -> String { String(decoding: bytes[range(index)], as: UTF8.self) }
}

/// Whether bytes are well-formed UTF-8.
package func isUTF8(_ bytes: UnsafeBufferPointer<UInt8>) -> Bool {
    var position = 0
    while position < bytes.count {
        if bytes[position] < 0x80 {
            position += 1
        } else {
            guard let length = JSONScanner.sequenceLength(bytes, position) else { return false }
            position += length
        }
    }
    return true
}
