import Tags

/// A set of tags that is asked for every change: open addressing, at most half full.
struct HandleTable {
    /// Handle + 1, or 0 where free.
    private var table: [UInt32]

    init(_ handles: some Collection<TagHandle>) {
        var capacity = 2
        while capacity < 2 * handles.count { capacity *= 2 }
        table = [UInt32](repeating: 0, count: capacity)
        for handle in handles { insert(handle) }
    }

    private static func place(_ handle: TagHandle) -> Int { Int(handle.index &* 0x9E37_79B1) }

    private mutating func insert(_ handle: TagHandle) {
        let mask = table.count - 1
        var slot = HandleTable.place(handle) & mask
        while table[slot] != 0 {
            if table[slot] == handle.index &+ 1 { return }
            slot = (slot + 1) & mask
        }
        table[slot] = handle.index &+ 1
    }

    func contains(_ handle: TagHandle) -> Bool {
        let mask = table.count - 1
        var slot = HandleTable.place(handle) & mask
        while table[slot] != 0 {
            if table[slot] == handle.index &+ 1 { return true }
            slot = (slot + 1) & mask
        }
        return false
    }
}
