import TLS
import Yams

extension ConfigurationReader {
    private static let secretLimit = 64 << 10

    /// A password by reference: `{ file: PATH }`, `{ environment: NAME }` or `{ credential: NAME }` (systemd). The text of
    /// the secret never goes into a message.
    func readSecret(_ section: Section, _ key: String, isUsed: Bool) -> Secret? {
        guard let node = section.entries[key]?.node else { return nil }
        let ways = "{ file: secrets/NAME }, { environment: NAME } or { credential: NAME }"
        guard case .mapping(let mapping) = node else {
            log.add(
                .error, SourcePlace(node, file: file),
                "\"\(key)\" never stands in this file itself: put it elsewhere and write \(key): \(ways)")
            return nil
        }
        let keys = ["file", "environment", "credential"]
        // An unknown key may be the secret itself, so it is not repeated as others are.
        for (keyNode, _) in mapping where !keys.contains(keyNode.scalar?.string ?? "") {
            let nearest = keyNode.scalar.flatMap { NearestName.of($0.string, in: keys) }
            log.add(
                .error, SourcePlace(keyNode, file: file),
                "\"\(key)\" takes one of \(ways)\(nearest.map { "; did you mean \"\($0)\"?" } ?? "")")
            return nil
        }
        guard let reference = self.section(node, "\"\(key)\"", keys: keys) else { return nil }
        let present = keys.filter(reference.has)
        guard present.count == 1, let way = present.first, let name = reference.text(way, expected: "a name") else {
            if present.count != 1 { log.add(.error, reference.place, "\"\(key)\" takes one of \(ways)") }
            return nil
        }
        switch way {
        case "file":
            let shown = "the file \(shown(name.text))"
            return secret(key, file: absolute(name.text), shown: shown, name.place, isUsed, true)
        case "environment":
            guard let value = environment[name.text] else {
                missing(isUsed, name.place, "\"\(key)\": the environment variable \(quoted(name)) is not set")
                return nil
            }
            return nonempty(Array(value.utf8), key, "the environment variable \(quoted(name))", name.place)
        default:
            guard !name.text.contains("/"), name.text != "..", name.text != "." else {
                log.add(.error, name.place, "\"credential\" takes the name of a credential, not a path")
                return nil
            }
            guard let folder = environment["CREDENTIALS_DIRECTORY"] else {
                missing(
                    isUsed, name.place,
                    "\"\(key)\": CREDENTIALS_DIRECTORY is not set; the unit needs LoadCredential=\(name.text):PATH")
                return nil
            }
            let path = "\(folder)/\(name.text)"
            return secret(key, file: path, shown: "the credential \(path)", name.place, isUsed, false)
        }
    }

    private func missing(_ isUsed: Bool, _ place: SourcePlace, _ message: String) {
        log.add(isUsed ? .error : .warning, place, isUsed ? message : "\(message) (needed once it is enabled)")
    }

    private func secret(
        _ key: String, file: String, shown: String, _ place: SourcePlace, _ isUsed: Bool, _ checksMode: Bool
    ) -> Secret? {
        do throws(FileProblem) {
            let contents = try FileContents(path: file, limit: ConfigurationReader.secretLimit)
            if checksMode, let problem = contents.access.problem() {
                log.add(.error, place, "\"\(key)\": \(shown) \(problem)")
                return nil
            }
            var bytes = contents.bytes
            if bytes.last == 0x0A {
                bytes.removeLast()
                if bytes.last == 0x0D { bytes.removeLast() }
            }
            return nonempty(bytes, key, shown, place)
        } catch {
            if error == .missing {
                missing(isUsed, place, "\"\(key)\": \(shown) \(error)")
            } else {
                log.add(.error, place, "\"\(key)\": \(shown) \(error)")
            }
            return nil
        }
    }

    private func nonempty(_ bytes: [UInt8], _ key: String, _ from: String, _ place: SourcePlace) -> Secret? {
        guard !bytes.isEmpty else {
            log.add(.error, place, "\"\(key)\": \(from) is empty; put the secret into it")
            return nil
        }
        guard !bytes.contains(0) else {
            log.add(.error, place, "\"\(key)\": \(from) holds a NUL byte, which no password may")
            return nil
        }
        return Secret(bytes: bytes)
    }
}
