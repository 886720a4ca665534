/// Finds the word that somebody probably meant.
enum NearestName {
    /// The candidate with the fewest edits, nil when all are too far off to be worth a suggestion.
    static func of(_ wanted: String, in candidates: some Sequence<String>) -> String? {
        let left = Array(wanted.utf8.prefix(512).map(folded))
        var limit = max(1, min(left.count / 2, 6))
        var nearest: String?
        for candidate in candidates {
            let count = candidate.utf8.count
            guard count <= 512, abs(count - left.count) <= limit else { continue }
            let distance = distance(left, candidate.utf8.map(folded), limit: limit)
            if distance <= limit {
                nearest = candidate
                limit = distance - 1
                if limit < 0 { break }
            }
        }
        return nearest
    }

    private static func folded(_ byte: UInt8) -> UInt8 {
        byte &- 0x41 < 26 ? byte | 0x20 : byte
    }

    /// Edits (insert, delete, replace, swap of neighbours) from one to the other, or `limit` + 1 when there are more.
    static func distance(_ left: [UInt8], _ right: [UInt8], limit: Int) -> Int {
        var beforeLast: [Int] = []
        var last = Array(0...right.count)
        for i in 0..<left.count {
            var row = [i + 1]
            row.reserveCapacity(right.count + 1)
            var smallest = i + 1
            for j in 0..<right.count {
                var cost = min(last[j + 1] + 1, row[j] + 1, last[j] + (left[i] == right[j] ? 0 : 1))
                if i > 0, j > 0, left[i] == right[j - 1], left[i - 1] == right[j] {
                    cost = min(cost, beforeLast[j - 1] + 1)
                }
                row.append(cost)
                smallest = min(smallest, cost)
            }
            if smallest > limit + 1 { return limit + 1 }
            beforeLast = last
            last = row
        }
        return last[right.count]
    }
}
