import Tags

/// Reads a device's tag file: CSV with a header, RFC 4180 quoting, UTF-8.
struct TagFile {
    static let sizeLimit = 256 << 20
    private static let columns = ["name", "address", "type", "access", "unit", "poll", "description"]

    let reader: ConfigurationReader
    let tags: DeviceTags

    func read(_ path: ScalarText, isEnabled: Bool) {
        let shown = reader.shown(path.text)
        reader.log.anchor = path.place
        defer { reader.log.anchor = nil }
        let contents: FileContents
        do {
            contents = try FileContents(path: reader.absolute(path.text), limit: TagFile.sizeLimit)
        } catch {
            tags.markIncomplete()
            reader.log.add(isEnabled ? .error : .warning, path.place, "the tag file \(shown) \(error)")
            return
        }
        var parser = CSVParser(contents.bytes)
        let first = SourcePlace(file: shown, line: 1, column: 1)
        guard let header = next(&parser, shown) else {
            reader.log.add(
                .error, first, "the tag file is empty; its first line is \(TagFile.columns.joined(separator: ","))")
            return
        }
        guard let columns = columns(of: header, shown) else {
            tags.markIncomplete()
            return
        }
        while let record = next(&parser, shown) {
            // A line of nothing separates; it names no tag.
            if record.count == 1, record[0].bytes.isEmpty, !record[0].isQuoted { continue }
            add(record, columns, shown)
        }
    }

    /// The next record; what breaks the format is reported and ends the file.
    private func next(_ parser: inout CSVParser, _ shown: String) -> [CSVParser.Field]? {
        do throws(CSVProblem) {
            return try parser.next()
        } catch {
            tags.markIncomplete()
            reader.log.add(
                .error, SourcePlace(file: shown, line: error.line, column: error.column), error.message)
            return nil
        }
    }

    private func columns(of header: [CSVParser.Field], _ shown: String) -> [String]? {
        var columns: [String] = []
        var isGood = true
        for field in header {
            let name = field.text.trimmed.lowercased()
            let place = SourcePlace(file: shown, line: field.line, column: field.column)
            if !TagFile.columns.contains(name) {
                let hint =
                    NearestName.of(name, in: TagFile.columns).map { "did you mean \"\($0)\"?" }
                    ?? "the columns are \(TagFile.columns.joined(separator: ","))"
                reader.log.add(.error, place, "unknown column \"\(Section.shortened(name))\"; \(hint)")
                isGood = false
            } else if columns.contains(name) {
                reader.log.add(.error, place, "the column \"\(name)\" stands twice; remove one")
                isGood = false
            }
            columns.append(name)
        }
        for column in ["name", "address"] where isGood && !columns.contains(column) {
            reader.log.add(
                .error, SourcePlace(file: shown, line: 1, column: 1),
                "the column \"\(column)\" is missing; the first line is \(TagFile.columns.joined(separator: ","))")
            isGood = false
        }
        return isGood ? columns : nil
    }

    private func add(_ record: [CSVParser.Field], _ columns: [String], _ shown: String) {
        guard let first = record.first else { return }
        let place = SourcePlace(file: shown, line: first.line, column: first.column)
        guard record.count <= columns.count else {
            tags.markIncomplete()
            let surplus = record[columns.count]
            reader.log.add(
                .error, SourcePlace(file: shown, line: surplus.line, column: surplus.column),
                "\(record.count) fields, and the first line names \(columns.count) columns; quote a field that holds a comma"
            )
            return
        }
        var values: [String: ScalarText] = [:]
        for (column, field) in zip(columns, record) where !field.bytes.isEmpty {
            guard let text = field.validText else {
                tags.markIncomplete()
                reader.log.add(
                    .error, SourcePlace(file: shown, line: field.line, column: field.column),
                    "not UTF-8; save the file as UTF-8")
                return
            }
            values[column] = ScalarText(
                text: text, place: SourcePlace(file: shown, line: field.line, column: field.column), isPlain: false)
        }
        for column in ["name", "address"] where values[column] == nil {
            tags.markIncomplete()
            reader.log.add(.error, place, "the line has no \(column)")
        }
        guard let name = values["name"], let address = values["address"] else { return }
        var fields = TagFields(place: place, name: name)
        fields.address = address
        fields.type = values["type"]
        fields.access = values["access"]
        fields.unit = values["unit"]?.text
        fields.description = values["description"]?.text
        fields.poll = values["poll"]
        if let poll = values["poll"] { fields.modbusKeys.append(("poll", poll.place)) }
        let segments = TagName.segments(of: name.text).map(String.init)
        for (index, segment) in segments.enumerated() {
            let part = ScalarText(text: segment, place: name.place, isPlain: false)
            guard reader.isUsable(part, index == segments.count - 1 ? "tag" : "group") else {
                tags.markIncomplete()
                return
            }
        }
        tags.add(fields, segments: segments)
    }
}

extension String {
    /// Without spaces and tabs at either end.
    fileprivate var trimmed: String {
        var rest = Substring(self)
        while rest.first == " " || rest.first == "\t" { rest.removeFirst() }
        while rest.last == " " || rest.last == "\t" { rest.removeLast() }
        return String(rest)
    }
}
