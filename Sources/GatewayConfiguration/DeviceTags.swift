import Drivers
import Tags
import Yams

/// What is said of one tag, in the file or in a line of a tag file.
struct TagFields {
    var place: SourcePlace
    var name: ScalarText
    var address: ScalarText?
    var type: ScalarText?
    var access: ScalarText?
    var unit: String?
    var description: String?
    var poll: ScalarText?
    var isEnabled = true
    var range: ClosedRange<Double>?
    var scale: TagScale?
    var length: Int?
    var stringOrder: ModbusStringOrder?
    /// Of the keys that only Modbus tags may have, those that are there.
    var modbusKeys: [(key: String, place: SourcePlace)] = []
}

/// Gathers the tags of one device from the file, its groups and its tag file.
final class DeviceTags {
    private static let tagKeys = [
        "name", "address", "type", "access", "unit", "description", "enabled", "poll", "range", "scale", "length",
        "string-order", "read-back",
    ]
    private static let groupDepthLimit = 32

    let reader: ConfigurationReader
    /// `Channel.Device`
    private let path: String
    private let options: ConfigurationReader.DeviceOptions
    private let isEnabled: Bool
    private var simulator: [DeviceConfiguration.SimulatorTag] = []
    private var modbus: [DeviceConfiguration.ModbusTag] = []
    /// The groups by their folded path, as first written.
    private var groups: [String: (path: String, place: SourcePlace)] = [:]

    init(
        reader: ConfigurationReader, path: String, options: ConfigurationReader.DeviceOptions, isEnabled: Bool
    ) {
        self.reader = reader
        self.path = path
        self.options = options
        self.isEnabled = isEnabled
    }

    var finished: DeviceConfiguration.Tags {
        switch options {
        case .simulator(let options): .simulator(options, simulator)
        case .modbus(let options): .modbus(options, modbus)
        }
    }

    /// Notes that tags of the device may be missing.
    func markIncomplete() { reader.catalog.markIncomplete(under: path) }

    func read(_ device: Section) {
        read(device, under: path, depth: 0)
        guard let file = device.text("tag-file", expected: "the path of a CSV file") else { return }
        TagFile(reader: reader, tags: self).read(file, isEnabled: isEnabled)
    }

    private func read(_ section: Section, under path: String, depth: Int) {
        for node in section.list("tags") {
            guard let tag = reader.section(node, "a tag", keys: DeviceTags.tagKeys) else {
                markIncomplete()
                continue
            }
            read(tag: tag, under: path)
        }
        var seen: [String: SourcePlace] = [:]
        for node in section.list("groups") {
            guard let group = reader.section(node, "a group of tags", keys: ["name", "tags", "groups"]) else {
                markIncomplete()
                continue
            }
            guard depth < DeviceTags.groupDepthLimit else {
                group.error("name", "groups are nested deeper than \(DeviceTags.groupDepthLimit) levels")
                return
            }
            guard let name = reader.readName(group, "group", in: &seen) else {
                markIncomplete()
                continue
            }
            let inner = "\(path).\(name)"
            remember(group: inner, at: group.place(of: "name"))
            read(group, under: inner, depth: depth + 1)
        }
    }

    private func read(tag section: Section, under path: String) {
        let name = section.required("name", expected: "the name of the tag")
        let address = section.required("address", expected: "an address in quotes")
        var fields = TagFields(
            place: section.place, name: name ?? ScalarText(text: "", place: section.place, isPlain: true))
        fields.address = address
        fields.type = section.text("type", expected: "a data type, as Word or Double")
        fields.access = section.text("access", expected: "read or read-write")
        fields.unit = section.text("unit")?.text
        fields.description = section.text("description")?.text
        fields.isEnabled = section.boolean("enabled", default: true)
        fields.range = section.range("range")
        for key in ["poll", "scale", "length", "string-order"] where section.has(key) {
            fields.modbusKeys.append((key, section.place(of: key)))
        }
        fields.poll = section.text("poll", expected: "a duration, as 500ms or 10s")
        fields.scale = readScale(section)
        if section.has("length") { fields.length = section.integer("length", in: 1...250, default: 1) }
        fields.stringOrder = section.optionalChoice("string-order", of: ModbusStringOrder.self)
        if section.boolean("read-back", default: false) {
            section.warn("read-back", "writes come with a later version of Sallyport; \"read-back\" has no effect yet")
        }
        guard let name else {
            markIncomplete()
            return
        }
        guard reader.isUsable(name, "tag") else {
            markIncomplete()
            return
        }
        add(fields, as: "\(path).\(name.text)")
    }

    private func readScale(_ section: Section) -> TagScale? {
        guard let scale = section.section("scale", keys: ["raw", "scaled", "type", "clamp"]) else { return nil }
        for key in ["raw", "scaled"] where !scale.has(key) {
            scale.error(key, "\"\(key)\" is missing in \"scale\"; it takes two numbers, as [0, 27648]")
        }
        let type = scale.text("type", expected: "a numeric data type").flatMap { dataType($0) } ?? .double
        let clamp = scale.boolean("clamp", default: false)
        guard let raw = scale.range("raw"), let scaled = scale.pair("scaled") else { return nil }
        if scaled.low == scaled.high {
            scale.error("scaled", "\"scaled\" takes two different numbers, as [0, 100]")
            return nil
        }
        return TagScale(raw: raw, scaledLow: scaled.low, scaledHigh: scaled.high, type: type, clamp: clamp)
    }

    private func dataType(_ text: ScalarText) -> DataType? {
        if let type = DataType(name: text.text) { return type }
        let names = DataType.allCases.map(\.name)
        let hint =
            NearestName.of(text.text, in: names).map { "did you mean \($0)?" }
            ?? "the types are \(names.joined(separator: ", "))"
        reader.log.add(.error, text.place, "\(quoted(text)) is not a data type; \(hint)")
        return nil
    }

    /// A group and a tag of one name could not be told apart by who browses.
    private func remember(group path: String, at place: SourcePlace) {
        groups[TagName.folded(path)] = (path, place)
        if let tag = reader.catalog.entries[TagName(validated: path)] {
            let name = Section.shortened(path)
            reader.log.add(.error, place, "\"\(name)\" is already a tag, at \(tag.place); rename one")
        }
    }

    /// A tag whose name came with dots: the groups in between are made, and must be spelt as they are elsewhere.
    func add(_ fields: TagFields, segments: [String]) {
        var path = self.path
        for group in segments.dropLast() {
            path += ".\(group)"
            let folded = TagName.folded(path)
            if let first = groups[folded] {
                if first.path != path {
                    reader.log.add(
                        .error, fields.name.place,
                        "group \"\(group)\" is spelt differently at \(first.place); "
                            + "names that differ only in case are the same")
                    return
                }
            } else {
                remember(group: path, at: fields.name.place)
            }
        }
        add(fields, as: "\(path).\(segments.last ?? "")")
    }

    private func add(_ fields: TagFields, as fullName: String) {
        let name = TagName(validated: fullName)
        let definition = define(fields, name)
        var entry = TagCatalog.Entry(
            isNumber: false, hasSpan: false, isEnabled: fields.isEnabled, place: fields.name.place)
        if let definition {
            entry.isNumber = definition.dataType.isNumeric && !definition.isArray
            entry.hasSpan = definition.details?.range != nil || definition.details?.scaledSpan != nil
        } else {
            entry.isBroken = true
        }
        if let group = groups[TagName.folded(fullName)] {
            reader.log.add(
                .error, fields.name.place,
                "\"\(Section.shortened(fullName))\" is already a group, at \(group.place); rename one")
        }
        if let first = reader.catalog.insert(name, entry) {
            reader.log.add(
                .error, fields.name.place,
                "tag \"\(Section.shortened(fullName))\" stands twice (names that differ only in case are the same), "
                    + "first at \(first); rename one")
        }
    }

    private func define(_ fields: TagFields, _ name: TagName) -> TagDefinition? {
        let type = fields.type.map { dataType($0) }
        let access = access(fields.access)
        guard let address = fields.address else { return nil }
        // The address is looked at whatever the type is, so that both are reported at once.
        let isSound = type != .some(.none) && access != nil
        switch options {
        case .simulator:
            return defineSimulator(fields, name, address, type ?? nil, access ?? .read, isSound: isSound)
        case .modbus(let device):
            return defineModbus(fields, name, address, type ?? nil, access ?? .read, device, isSound: isSound)
        }
    }

    private func defineSimulator(
        _ fields: TagFields, _ name: TagName, _ text: ScalarText, _ type: DataType?, _ access: TagAccess, isSound: Bool
    ) -> TagDefinition? {
        for (key, place) in fields.modbusKeys {
            reader.log.add(
                .error, place,
                "\"\(key)\" belongs to tags of the driver modbus-tcp, and this is a simulator's; remove it")
        }
        let address: SimulatorAddress
        do throws(SimulatorAddressError) {
            address = try SimulatorAddress(parsing: text.text)
        } catch {
            reader.log.add(.error, text.place, "\(error)")
            return nil
        }
        let options = SimulatorTagOptions(
            address: address, type: type ?? address.defaultType, access: access, range: fields.range)
        if !isSound || report(options.problems(), fields) { return nil }
        let definition = TagDefinition(
            name: name, dataType: options.type, isArray: address.count != nil, access: access,
            details: details(fields, scale: nil))
        if fields.isEnabled { simulator.append(.init(definition: definition, options: options)) }
        return definition
    }

    private func defineModbus(
        _ fields: TagFields, _ name: TagName, _ text: ScalarText, _ type: DataType?, _ access: TagAccess,
        _ device: ModbusDeviceOptions, isSound: Bool
    ) -> TagDefinition? {
        let poll = fields.poll.flatMap {
            reader.log.duration($0, "\"poll\"", in: .milliseconds(10)...(.seconds(86_400)))
        }
        guard !text.isPlain else {
            reader.log.add(
                .error, text.place,
                "a Modbus address must be quoted, as address: \"\(Section.shortened(text.text))\"; "
                    + "YAML takes a bare one for a number")
            return nil
        }
        let address: ModbusAddress
        do throws(ModbusAddressError) {
            address = try ModbusAddress(parsing: text.text, zeroBased: device.isZeroBased)
        } catch {
            reader.log.add(.error, text.place, "\(error)")
            return nil
        }
        let isBit = address.bit != nil || [.coils, .discreteInputs].contains(address.area)
        let options = ModbusTagOptions(
            address: address, type: type ?? (isBit ? .boolean : .word), access: access, poll: poll,
            scale: fields.scale, range: fields.range, length: fields.length,
            stringOrder: fields.stringOrder ?? .highByteFirst)
        if !isSound || report(options.problems(device: device), fields) { return nil }
        let definition = TagDefinition(
            name: name, dataType: options.publishedType, isArray: address.count != nil, access: access,
            details: details(fields, scale: fields.scale))
        if fields.isEnabled { modbus.append(.init(definition: definition, options: options)) }
        return definition
    }

    private func report(_ problems: [String], _ fields: TagFields) -> Bool {
        for problem in problems { reader.log.add(.error, fields.place, problem) }
        return !problems.isEmpty
    }

    private func details(_ fields: TagFields, scale: TagScale?) -> TagDetails? {
        let span = scale.map { min($0.scaledLow, $0.scaledHigh)...max($0.scaledLow, $0.scaledHigh) }
        guard fields.unit != nil || fields.description != nil || fields.range != nil || span != nil else { return nil }
        return TagDetails(unit: fields.unit, description: fields.description, range: fields.range, scaledSpan: span)
    }

    private func access(_ text: ScalarText?) -> TagAccess? {
        switch text?.text {
        case nil, "read": return .read
        case "read-write": return .readWrite
        case .some:
            if let text {
                reader.log.add(.error, text.place, "\"access\" takes read or read-write, found \(quoted(text))")
            }
            return nil
        }
    }
}
