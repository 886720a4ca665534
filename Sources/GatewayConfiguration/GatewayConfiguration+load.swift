import SecurityPolicy
import Tags
import Yams

#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#endif

extension GatewayConfiguration {
    /// Reads and checks `path` and the files that it names. Blocking: never on the cooperative pool. Whatever the file
    /// holds, the answer is a list of problems, never a throw.
    ///
    /// - Parameter environment: what `environment:` and `credential:` (through `CREDENTIALS_DIRECTORY`) read from.
    package static func load(path: String, environment: [String: String]) -> ConfigurationOutcome {
        var buffer = [CChar](repeating: 0, count: Int(PATH_MAX) + 1)
        let working = getcwd(&buffer, buffer.count).map { String(cString: $0) } ?? "/"
        let reader = ConfigurationReader(file: path, workingDirectory: working, environment: environment)
        let configuration = reader.read()
        return ConfigurationOutcome(
            configuration: reader.log.hasErrors ? nil : configuration, readable: configuration,
            dataDirectory: configuration.flatMap { $0.dataDirectory.isEmpty ? nil : $0.dataDirectory },
            problems: reader.log.sorted())
    }
}

extension ConfigurationReader {
    func read() -> GatewayConfiguration? {
        let start = SourcePlace(file: file, line: 1, column: 1)
        let contents: FileContents
        do {
            contents = try FileContents(path: file, limit: YAMLDocument.sizeLimit)
        } catch {
            log.add(
                .error, start,
                "the configuration file \(error)\(error == .missing ? "; name another with --config PATH" : "")")
            return nil
        }
        switch contents.text() {
        case .failure(let bad):
            log.add(.error, SourcePlace(file: file, line: bad.line, column: bad.column), "not UTF-8; save it as UTF-8")
            return nil
        case .success(let text):
            guard let root = YAMLDocument.compose(text, file: file, log: log) else { return nil }
            return readRoot(root)
        }
    }

    private func readRoot(_ root: Node) -> GatewayConfiguration? {
        let keys = ["version", "gateway", "channels", "security", "audit", "accept-risk", "tls", "agents"]
        guard let section = section(root, "the configuration", keys: keys) else { return nil }
        if let version = section.required("version", expected: "1"), version.text != "1" {
            log.add(
                .error, version.place,
                "version \(quoted(version)) is not known to this version of Sallyport; it reads version 1")
        }
        var configuration = readGateway(section)
        catalog.insertSystemTags(place: section.place)
        configuration.channels = readChannels(section)
        readSecurity(section, into: &configuration)
        let tls = readTLS(section, into: &configuration)
        readAudit(section, tls: tls, into: &configuration)
        let agents = readAgents(section, tls: tls, groups: configuration.groups.map(\.name))
        configuration.agents = agents.configured.map { $0.named(by: configuration.name) }
        configuration.acceptedRisks = readAcceptedRisks(section, agents: agents.names)
        return configuration
    }
}
