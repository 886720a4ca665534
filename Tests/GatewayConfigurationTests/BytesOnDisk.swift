import FoundationEssentials

/// Files whose bytes are no text.
enum BytesOnDisk {
    static func read(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(filePath: path))) }

    static func write(_ bytes: [UInt8], to path: String) throws {
        try Data(bytes).write(to: URL(filePath: path))
    }

    static func replace(_ byte: UInt8, with other: UInt8, in path: String) throws {
        try write(try read(path).map { $0 == byte ? other : $0 }, to: path)
    }
}
