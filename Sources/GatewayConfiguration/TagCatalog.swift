import Tags

/// Every tag that the file names, for checking what items and permissions refer to.
struct TagCatalog {
    struct Entry {
        /// A scalar number: what a deadband makes sense for.
        var isNumber: Bool
        /// Has a range or a scale: what a deadband in percent refers to.
        var hasSpan: Bool
        var isEnabled: Bool
        /// Something about the tag is wrong and reported: nothing more is said about it.
        var isBroken = false
        var place: SourcePlace
    }

    private(set) var entries: [TagName: Entry] = [:]
    private(set) var names: [TagName] = []
    /// False when a channel could not be read: then nothing is said about what is not found.
    private(set) var isComplete = true
    /// Channels and devices (`Channel.Device`, folded) of which not every tag is known: nothing is said about what is
    /// not found there.
    private var incomplete: Set<String> = []
    /// Suggestions cost a walk over the names, so a file that is wrong everywhere gets a bounded number.
    private var suggestionsLeft = 50

    /// Adds a tag; gives the place of the tag that has the name already.
    mutating func insert(_ name: TagName, _ entry: Entry) -> SourcePlace? {
        if let first = entries[name] { return first.place }
        entries[name] = entry
        names.append(name)
        return nil
    }

    /// What every gateway has besides its configured tags.
    mutating func insertSystemTags(place: SourcePlace) {
        let numbers = ["_ActiveTagCount", "_TotalTagCount", "_ClientCount"]
        for name in ["_Date", "_Time", "_DateTime"] + numbers {
            insertSystemTag("_System.\(name)", isNumber: numbers.contains(name), place: place)
        }
    }

    mutating func insertSystemTags(ofDevice device: String, place: SourcePlace) {
        for name in ["_Error", "_NoError", "_Enabled"] {
            insertSystemTag("\(device)._System.\(name)", isNumber: false, place: place)
        }
    }

    private mutating func insertSystemTag(_ text: String, isNumber: Bool, place: SourcePlace) {
        let entry = Entry(isNumber: isNumber, hasSpan: false, isEnabled: true, place: place)
        _ = insert(TagName(validated: text), entry)
    }

    func entry(of pattern: TagPattern) -> Entry? {
        entries[TagName(validated: pattern.text)]
    }

    /// Notes that tags may be missing: below this channel or device, or anywhere when its name is not known.
    mutating func markIncomplete(under path: String?) {
        if let path { incomplete.insert(TagName.folded(path)) } else { isComplete = false }
    }

    /// Whether everything is known that the pattern could match.
    func isComplete(for pattern: TagPattern) -> Bool {
        guard isComplete else { return false }
        if incomplete.isEmpty { return true }
        let wanted = TagName.segments(of: TagName.folded(pattern.text))
        return !incomplete.contains { TagCatalog.mayReach(below: TagName.segments(of: $0), wanted) }
    }

    /// Whether a pattern's segments can match a name below a path; a segment with `*` counts as one that can.
    private static func mayReach(below path: [Substring], _ wanted: [Substring]) -> Bool {
        for (index, segment) in path.enumerated() {
            guard index < wanted.count else { return false }
            if wanted[index] == "**" { return true }
            guard wanted[index].utf8.contains(0x2A) || wanted[index].utf8.elementsEqual(segment.utf8) else {
                return false
            }
        }
        return true
    }

    func matches(_ pattern: TagPattern) -> Bool {
        if pattern.isLiteral { return entry(of: pattern) != nil }
        return names.contains { pattern.matches($0) }
    }

    mutating func nearest(to text: String) -> String? {
        guard suggestionsLeft > 0 else { return nil }
        suggestionsLeft -= 1
        return NearestName.of(text, in: names.prefix(20_000).lazy.map(\.text))
    }
}
