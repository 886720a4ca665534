/// What a tag holds, without quality or time. Scalars stand in place; strings and arrays live beside them.
///
/// Signed integers of every width are `.integer`, unsigned ones `.unsigned`: the tag's `DataType` tells the width.
package enum TagData: Sendable {
    /// There never was a value.
    case none
    case boolean(Bool)
    case integer(Int64)
    case unsigned(UInt64)
    case float(Float)
    case double(Double)
    case date(Timestamp)
    case string(TagString)
    case array(TagArray)

    package static func string(_ text: String) -> TagData { .string(TagString(text)) }
    package static func array(_ elements: [TagData]) -> TagData { .array(TagArray(elements)) }

    /// The number for deadbands and ranges, nil for what is not one.
    @inlinable
    package var number: Double? {
        switch self {
        case .integer(let value): Double(value)
        case .unsigned(let value): Double(value)
        case .float(let value): Double(value)
        case .double(let value): value
        case .none, .boolean, .date, .string, .array: nil
        }
    }
}

/// The text of a string tag, immutable and shared.
package final class TagString: Sendable {
    package let text: String

    package init(_ text: String) {
        self.text = text
    }
}

/// The elements of an array tag, immutable and shared; all scalars of one type.
package final class TagArray: Sendable {
    package let elements: [TagData]

    package init(_ elements: [TagData]) {
        self.elements = elements
    }
}

extension TagData: Equatable {
    /// Equality of bits, so that a NaN equals itself and does not count as a change at every poll.
    @inlinable
    package static func == (left: TagData, right: TagData) -> Bool {
        switch (left, right) {
        case (.none, .none): true
        case (.boolean(let a), .boolean(let b)): a == b
        case (.integer(let a), .integer(let b)): a == b
        case (.unsigned(let a), .unsigned(let b)): a == b
        case (.float(let a), .float(let b)): a.bitPattern == b.bitPattern
        case (.double(let a), .double(let b)): a.bitPattern == b.bitPattern
        case (.date(let a), .date(let b)): a == b
        case (.string(let a), .string(let b)): a === b || a.text.utf8.elementsEqual(b.text.utf8)
        case (.array(let a), .array(let b)): a === b || a.elements == b.elements
        default: false
        }
    }
}

/// Data with its quality and the time of the last successful poll of the tag's request.
package struct TagValue: Sendable, Equatable {
    package var data: TagData
    package var quality: Quality
    package var timestamp: Timestamp

    @inlinable
    package init(data: TagData, quality: Quality = .good, timestamp: Timestamp) {
        self.data = data
        self.quality = quality
        self.timestamp = timestamp
    }
}

/// One value of one tag, as drivers report it and mailboxes carry it.
package struct TagUpdate: Sendable, Equatable {
    package var handle: TagHandle
    package var value: TagValue

    @inlinable
    package init(handle: TagHandle, value: TagValue) {
        self.handle = handle
        self.value = value
    }
}

/// Where a driver delivers what it polled. Always a batch; the order within one tag is the order of time.
package typealias TagSink = @Sendable ([TagUpdate]) async -> Void
