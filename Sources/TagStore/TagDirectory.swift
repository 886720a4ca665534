package import Tags

/// Names to handles and back: an immutable snapshot, replaced whole when tags are registered or removed, so that borders
/// look names up without a hop to the store.
package struct TagDirectory: Sendable {
    /// By handle; nil where a tag was removed.
    private var definitions: [TagDefinition?] = []
    /// Open addressing over folded names: handle + 1, or 0 where free.
    private var table: [UInt32] = []
    /// How many tags are registered now.
    package private(set) var count = 0
    private let seed = UInt64.random(in: .min ... .max)

    package init() {}

    /// One past the highest handle ever given.
    package var handleLimit: Int { definitions.count }

    package subscript(_ handle: TagHandle) -> TagDefinition? {
        let index = Int(handle.index)
        return index < definitions.count ? definitions[index] : nil
    }

    /// Every registered tag, in the order of registration.
    package var handles: some Sequence<TagHandle> {
        definitions.indices.lazy.filter { definitions[$0] != nil }.map { TagHandle(index: UInt32($0)) }
    }

    /// Finds a tag by its name, ASCII-case-insensitively.
    package func handle(named name: String) -> TagHandle? {
        var name = name
        return name.withUTF8 { handle(utf8: $0) }
    }

    /// Finds a tag by the UTF-8 bytes of its name, ASCII-case-insensitively. Does not allocate.
    package func handle(utf8 name: UnsafeBufferPointer<UInt8>) -> TagHandle? {
        guard !table.isEmpty else { return nil }
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: hash(name)) & mask
        while table[slot] != 0 {
            let index = Int(table[slot] - 1)
            if let definition = definitions[index], TagDirectory.isSame(definition.name.text, name) {
                return TagHandle(index: UInt32(index))
            }
            slot = (slot + 1) & mask
        }
        return nil
    }

    /// Adds tags and returns their handles; nothing is added when one of the names is already there.
    mutating func register(_ added: [TagDefinition]) throws(TagStoreError) -> [TagHandle] {
        guard definitions.count + added.count < Int(UInt32.max) else { throw .tooManyTags }
        let before = definitions.count
        definitions.reserveCapacity(before + added.count)
        growTable(toHold: count + added.count)
        for definition in added {
            guard handle(named: definition.name.text) == nil else {
                definitions.removeLast(definitions.count - before)
                rebuildTable(capacity: table.count)
                throw .duplicateName(definition.name)
            }
            definitions.append(definition)
            insert(definitions.count - 1)
        }
        count += added.count
        return (before..<definitions.count).map { TagHandle(index: UInt32($0)) }
    }

    /// Removes tags. Their handles are not given again.
    mutating func remove(_ handles: [TagHandle]) {
        for handle in handles where self[handle] != nil {
            definitions[Int(handle.index)] = nil
            count -= 1
        }
        rebuildTable(capacity: table.count)
    }

    private mutating func growTable(toHold wanted: Int) {
        // At most two thirds full.
        var capacity = 16
        while capacity * 2 / 3 < wanted { capacity *= 2 }
        if capacity > table.count { rebuildTable(capacity: capacity) }
    }

    private mutating func rebuildTable(capacity: Int) {
        table = [UInt32](repeating: 0, count: capacity)
        for index in definitions.indices where definitions[index] != nil { insert(index) }
    }

    private mutating func insert(_ index: Int) {
        guard var name = definitions[index]?.name.text else { return }
        let mask = table.count - 1
        var slot = Int(truncatingIfNeeded: name.withUTF8 { hash($0) }) & mask
        while table[slot] != 0 { slot = (slot + 1) & mask }
        table[slot] = UInt32(index) + 1
    }

    /// FNV-1a over folded bytes with a random start, then mixed: names come from the configuration, so flooding the
    /// table is not in an outsider's hands.
    private func hash(_ name: UnsafeBufferPointer<UInt8>) -> UInt64 {
        var hash = seed
        for byte in name {
            hash = (hash ^ UInt64(TagName.fold(byte))) &* 0x100_0000_01B3
        }
        hash ^= hash >> 32
        hash = hash &* 0x9E37_79B9_7F4A_7C15
        return hash ^ (hash >> 29)
    }

    private static func isSame(_ text: String, _ name: UnsafeBufferPointer<UInt8>) -> Bool {
        let utf8 = text.utf8
        guard utf8.count == name.count else { return false }
        return utf8.withContiguousStorageIfAvailable { bytes in
            for index in 0..<bytes.count where bytes[index] != name[index] {
                if TagName.fold(bytes[index]) != TagName.fold(name[index]) { return false }
            }
            return true
        } ?? utf8.elementsEqual(name) { TagName.fold($0) == TagName.fold($1) }
    }
}

/// Why tags could not be registered.
package enum TagStoreError: Error, Equatable, CustomStringConvertible {
    case duplicateName(TagName)
    case tooManyTags

    package var description: String {
        switch self {
        case .duplicateName(let name): "the tag \(name) is there already (names are compared without case)"
        case .tooManyTags: "more than four thousand million tags in one process"
        }
    }
}
