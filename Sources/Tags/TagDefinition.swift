/// What the gateway knows about a tag besides its value.
package struct TagDefinition: Sendable, Equatable {
    package var name: TagName
    package var dataType: DataType
    package var isArray: Bool
    package var access: TagAccess
    /// What few tags have, kept apart so that a million plain tags stay small.
    package var details: TagDetails?

    package init(
        name: TagName, dataType: DataType, isArray: Bool = false, access: TagAccess = .read, details: TagDetails? = nil
    ) {
        self.name = name
        self.dataType = dataType
        self.isArray = isArray
        self.access = access
        self.details = details
    }
}

package enum TagAccess: UInt8, Sendable, Equatable {
    case read
    case readWrite
}

/// Unit, description and span of a tag, shared by reference.
package final class TagDetails: Sendable, Equatable {
    package let unit: String?
    package let description: String?
    /// Low and high in scaled units: what a write may be and what `N%` of a deadband refers to.
    package let range: ClosedRange<Double>?
    /// The scaled span, for a deadband in percent where no range is set.
    package let scaledSpan: ClosedRange<Double>?

    package init(
        unit: String? = nil, description: String? = nil, range: ClosedRange<Double>? = nil,
        scaledSpan: ClosedRange<Double>? = nil
    ) {
        self.unit = unit
        self.description = description
        self.range = range
        self.scaledSpan = scaledSpan
    }

    package static func == (left: TagDetails, right: TagDetails) -> Bool {
        left === right
            || (left.unit == right.unit && left.description == right.description && left.range == right.range
                && left.scaledSpan == right.scaledSpan)
    }
}
