/// One tag within a block: its index among the device's tags, and where it lies.
struct ModbusItem: Equatable, Sendable {
    var tag: Int
    /// As on the wire, of the first bit or register.
    var address: Int
    var span: Int

    var end: Int { address + span }
}

/// What one read request asks for, and the tags that its reply holds.
struct ModbusBlock: Equatable, Sendable {
    var area: ModbusAddress.Area
    var address: Int
    var count: Int
    /// By address.
    var items: [ModbusItem]
    /// Timed out when it was last asked: asked last and without retries, so that it costs the others little.
    var isSuspect = false
    /// Exception 2 to the whole of it: no piece of it was there either, or it cannot be cut.
    var isRefused = false
    /// Which of the group's planned blocks it is, or is cut from.
    var plan = 0
    /// What it was cut into before it was put together again, for when it gets no answer. Empty otherwise.
    var pieces: [ModbusBlock] = []

    init(area: ModbusAddress.Area, items: [ModbusItem]) {
        self.area = area
        self.items = items
        address = items.first?.address ?? 0
        count = items.reduce(0) { max($0, $1.end) } - address
    }

    var request: ModbusRequest {
        ModbusRequest(
            address: UInt16(truncatingIfNeeded: address),
            kind: .read(area, count: UInt16(truncatingIfNeeded: count)))
    }

    /// The smaller blocks to ask for after the device refused this one's addresses: first without its gaps, then by
    /// halves. nil when what is left stands at one address: then that is what is refused.
    func split() -> [ModbusBlock]? {
        let runs = ModbusBlock.blocks(area: area, items: items, gap: 0)
        if runs.count > 1 { return runs.map(planned) }
        let cuts = items.indices.dropFirst().filter { items[$0].address != items[$0 - 1].address }
        let middle = items.count / 2
        guard let cut = cuts.min(by: { abs($0 - middle) < abs($1 - middle) }) else { return nil }
        return [
            planned(ModbusBlock(area: area, items: Array(items[..<cut]))),
            planned(ModbusBlock(area: area, items: Array(items[cut...]))),
        ]
    }

    private func planned(_ piece: ModbusBlock) -> ModbusBlock {
        var piece = piece
        piece.plan = plan
        return piece
    }

    /// Coalesces items, sorted by address, into as few blocks as the protocol's limits allow.
    ///
    /// - Parameter gap: addresses between two items that are read along rather than asked for around.
    static func blocks(area: ModbusAddress.Area, items: [ModbusItem], gap: Int) -> [ModbusBlock] {
        var blocks: [ModbusBlock] = []
        var run: [ModbusItem] = []
        var end = 0
        for item in items {
            if let first = run.first, item.address > end + gap || max(end, item.end) - first.address > area.mostPerRead
            {
                blocks.append(ModbusBlock(area: area, items: run))
                run = []
            }
            end = run.isEmpty ? item.end : max(end, item.end)
            run.append(item)
        }
        if !run.isEmpty { blocks.append(ModbusBlock(area: area, items: run)) }
        return blocks
    }
}

/// What a device is asked, and how often.
enum ModbusPlan {
    /// A gap of up to 40 bytes is read along: that is less than another request's 12 bytes, its reply's 9, and the two
    /// headers of 40 bytes below them, not to speak of the turn-around time in the device.
    static func gap(in area: ModbusAddress.Area) -> Int { area.isRegisters ? 20 : 320 }

    /// Groups tags by rate and area and coalesces each group; no value is split over two requests.
    static func groups(_ tags: [ModbusTagOptions], poll: Duration) -> [ModbusPollGroup] {
        var byRate: [Int64: [ModbusAddress.Area: [ModbusItem]]] = [:]
        for (index, tag) in tags.enumerated() {
            let span = tag.span
            // The configuration refuses such a tag; one that comes all the same is never asked for.
            guard span >= 1, span <= tag.address.area.mostPerRead, Int(tag.address.offset) + span <= 65536 else {
                continue
            }
            let item = ModbusItem(tag: index, address: Int(tag.address.offset), span: span)
            byRate[(tag.poll ?? poll).pollNanoseconds, default: [:]][tag.address.area, default: []].append(item)
        }
        return byRate.sorted { $0.key < $1.key }.map { period, areas in
            var blocks: [ModbusBlock] = []
            for (area, items) in areas.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
                let sorted = items.sorted { ($0.address, $0.span, $0.tag) < ($1.address, $1.span, $1.tag) }
                blocks += ModbusBlock.blocks(area: area, items: sorted, gap: gap(in: area))
            }
            return ModbusPollGroup(
                period: period, blocks: blocks, tags: areas.values.reduce(0) { $0 + $1.count })
        }
    }
}

extension Duration {
    /// Whole nanoseconds, saturating: 1 ms at least, ten days at most.
    var pollNanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let whole = min(max(seconds, 0), 864_000)
        return max(whole * 1_000_000_000 + max(attoseconds, 0) / 1_000_000_000, 1_000_000)
    }
}
