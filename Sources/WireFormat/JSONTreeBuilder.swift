/// Builds a `JSONValue` with a stack of its own, so that no depth of nesting reaches the thread's.
struct JSONTreeBuilder {
    /// An array or object whose end has not come. Filled in place: a copy for each value would be quadratic.
    private struct Container {
        var isObject: Bool
        var values: [JSONValue] = []
        var members: [JSONValue.Member] = []
        var names: Set<[UInt8]> = []
        /// Of the member whose value comes next.
        var name = ""
    }

    var scanner: JSONScanner
    let limits: JSONReader.Limits
    private var open: [Container] = []
    private var elements = 0
    private var scratch: [UInt8] = []

    init(scanner: JSONScanner, limits: JSONReader.Limits) {
        self.scanner = scanner
        self.limits = limits
    }

    mutating func build() throws(JSONError) -> JSONValue {
        try scanner.checkStart()
        while true {
            // Down: a value begins here. When it is a container with something in it, that comes next.
            guard var finished = try begin() else { continue }
            // Up: the value goes into the innermost container, which may end with it, and so on.
            while !open.isEmpty {
                guard let closed = try add(finished) else { break }
                finished = closed
            }
            if open.isEmpty {
                try scanner.checkEnd()
                return finished
            }
        }
    }

    private mutating func begin() throws(JSONError) -> JSONValue? {
        guard let byte = scanner.peek() else { throw scanner.error(.unexpectedEnd) }
        elements += 1
        guard elements <= limits.elements else { throw scanner.error(.tooManyElements(limit: limits.elements)) }
        switch byte {
        case 0x22: return .string(try text())
        case 0x5B: return try beginArray()
        case 0x7B: return try beginObject()
        case 0x2D, 0x30...0x39: return try scanner.number()
        case 0x74: if scanner.literal("true") { return .boolean(true) }
        case 0x66: if scanner.literal("false") { return .boolean(false) }
        case 0x6E: if scanner.literal("null") { return .null }
        default: break
        }
        throw scanner.unexpected(.value)
    }

    private mutating func beginArray() throws(JSONError) -> JSONValue? {
        try checkDepth()
        _ = scanner.take(0x5B)
        if scanner.take(0x5D) { return .array([]) }
        open.append(Container(isObject: false))
        return nil
    }

    private mutating func beginObject() throws(JSONError) -> JSONValue? {
        try checkDepth()
        _ = scanner.take(0x7B)
        if scanner.take(0x7D) { return .object([]) }
        open.append(Container(isObject: true))
        try takeName()
        return nil
    }

    /// Puts a value into the innermost container; returns the container when it ends there.
    private mutating func add(_ value: JSONValue) throws(JSONError) -> JSONValue? {
        let top = open.count - 1
        if open[top].isObject {
            open[top].members.append(.init(name: open[top].name, value: value))
            if scanner.take(0x7D) { return .object(open.removeLast().members) }
            guard scanner.take(0x2C) else { throw scanner.unexpected(.commaOrBrace) }
            try takeName()
        } else {
            open[top].values.append(value)
            if scanner.take(0x5D) { return .array(open.removeLast().values) }
            guard scanner.take(0x2C) else { throw scanner.unexpected(.commaOrBracket) }
        }
        return nil
    }

    private mutating func takeName() throws(JSONError) {
        guard scanner.peek() == 0x22 else { throw scanner.unexpected(.name) }
        let place = scanner.position
        scratch.removeAll(keepingCapacity: true)
        try scanner.string(into: &scratch, limit: limits.string)
        let top = open.count - 1
        guard open[top].names.insert(scratch).inserted else { throw scanner.error(.duplicateKey, at: place) }
        open[top].name = String(decoding: scratch, as: UTF8.self)
        guard scanner.take(0x3A) else { throw scanner.unexpected(.colon) }
    }

    private mutating func text() throws(JSONError) -> String {
        scratch.removeAll(keepingCapacity: true)
        try scanner.string(into: &scratch, limit: limits.string)
        return String(decoding: scratch, as: UTF8.self)
    }

    private func checkDepth() throws(JSONError) {
        if open.count >= limits.depth { throw scanner.error(.tooDeep(limit: limits.depth)) }
    }
}
