package import Tags
package import WireFormat

/// One value for one tag, as it was asked for.
package struct WriteRequest: Sendable, Equatable {
    /// The tag's name in any case.
    package var tag: String
    package var value: JSONValue

    package init(tag: String, value: JSONValue) {
        self.tag = tag
        self.value = value
    }
}

/// Through which agent a write came, and from where.
package struct WriteSource: Sendable {
    package var agent: String
    /// Numeric address of the client; empty on the machine itself.
    package var address: String
    /// Whether the tag exists through the agent: one that does not is answered as unknown.
    package var exposes: @Sendable (TagHandle, TagName) -> Bool
    /// Whether the agent still takes writes: what waited while it was stopped or switched off is not carried out.
    package var isOpen: @Sendable () -> Bool

    package init(
        agent: String, address: String, isOpen: @escaping @Sendable () -> Bool = { true },
        exposes: @escaping @Sendable (TagHandle, TagName) -> Bool
    ) {
        self.agent = agent
        self.address = address
        self.isOpen = isOpen
        self.exposes = exposes
    }
}
