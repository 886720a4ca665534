package import Tags

/// One simulated device: no I/O, values from arithmetic.
///
/// A tick steps every tag that is due and delivers one batch. The first tick, at once, gives every tag a value.
package actor SimulatorDevice: Driver {
    private let sink: TagSink
    private let handles: [TagHandle]
    private let options: [SimulatorTagOptions]
    private let indexes: [TagHandle: Int]
    private var tags: [SimulatedTag]
    private var last: [TagValue]
    /// When each tag is due, in nanoseconds since the start, and the tags of each period together.
    private var groups: [(period: Int64, due: Int64, tags: [Int])]
    private var state: DeviceStatus
    private var listeners = TraceListeners()

    package init(
        name: String, options: SimulatorDeviceOptions, tags: [(handle: TagHandle, options: SimulatorTagOptions)],
        sink: @escaping TagSink
    ) {
        self.sink = sink
        handles = tags.map(\.handle)
        self.options = tags.map(\.options)
        indexes = Dictionary(tags.enumerated().map { ($1.handle, $0) }, uniquingKeysWith: { first, _ in first })
        let seed = name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let simulated = tags.enumerated().map {
            SimulatedTag($1.options, poll: options.poll, seed: seed &+ UInt64($0) &* 0x9E37_79B9)
        }
        self.tags = simulated
        let never = TagValue(data: .none, quality: .waitingForInitialData, timestamp: Timestamp(microseconds: 0))
        last = Array(repeating: never, count: tags.count)
        groups = Dictionary(grouping: simulated.indices, by: { simulated[$0].period })
            .sorted { $0.key < $1.key }.map { ($0.key, 0, $0.value) }
        state = DeviceStatus(
            name: name, driver: "simulator", endpoint: "simulator", state: .stopped, tags: tags.count)
    }

    package func run() async {
        state.state = .connected
        let clock = ContinuousClock()
        let start = clock.now
        while !Task.isCancelled {
            let began = clock.now
            let now = (began - start).nanoseconds
            await tick(at: now)
            state.lastPoll = clock.now - began
            let next = groups.map(\.due).min() ?? now + 3_600_000_000_000
            do {
                try await clock.sleep(until: start + .nanoseconds(next), tolerance: .milliseconds(1))
            } catch {
                break
            }
        }
        listeners.finish()
        state.state = .stopped
    }

    /// Steps what is due and delivers it as one batch.
    private func tick(at now: Int64) async {
        var batch: [TagUpdate] = []
        let time = Timestamp.now
        let seconds = Double(now) * 1e-9
        for group in groups.indices where groups[group].due <= now {
            let period = groups[group].period
            groups[group].due += ((now - groups[group].due) / period + 1) * period
            batch.reserveCapacity(batch.count + groups[group].tags.count)
            for tag in groups[group].tags { step(tag, seconds, time, &batch) }
        }
        guard !batch.isEmpty else { return }
        state.requests += 1
        state.lastGood = time
        if !listeners.isEmpty {
            listeners.send(TraceEntry(time: time, direction: .event, text: "\(batch.count) tags stepped"))
        }
        await sink(batch)
    }

    private func step(_ tag: Int, _ seconds: Double, _ time: Timestamp, _ batch: inout [TagUpdate]) {
        if let data = tags[tag].next(seconds: seconds) {
            last[tag] = TagValue(data: data, timestamp: time)
        } else {
            last[tag].quality = .outOfRange
            last[tag].timestamp = time
        }
        batch.append(TagUpdate(handle: handles[tag], value: last[tag]))
    }

    package func write(_ data: TagData, to tag: TagHandle) async -> WriteOutcome {
        guard let index = indexes[tag] else {
            return .refused(WriteRefusal(.unknownTag, "the device \(state.name) has no such tag"))
        }
        guard options[index].access == .readWrite, options[index].address.rate == nil else {
            return .refused(WriteRefusal(.readOnly, "the tag is read-only in the configuration"))
        }
        let checked: TagData
        switch SimulatorWrite.check(data, for: options[index]) {
        case .taken(let data): checked = data
        case .refused(let refusal): return .refused(refusal)
        }
        tags[index].write(checked)
        last[index] = TagValue(data: checked, timestamp: .now)
        if !listeners.isEmpty {
            listeners.send(TraceEntry(time: .now, direction: .request, text: "write to tag \(index): \(checked)"))
        }
        await sink([TagUpdate(handle: tag, value: last[index])])
        return .confirmed
    }

    package func status() -> DeviceStatus { state }

    package func trace() -> AsyncStream<TraceEntry> {
        let (stream, continuation) = AsyncStream.makeStream(
            of: TraceEntry.self, bufferingPolicy: .bufferingNewest(TraceListeners.buffered))
        let id = listeners.add(continuation)
        continuation.onTermination = { [weak self] _ in
            guard let self else { return }
            // Owned by nobody, and ends after one step: a stream's end cannot wait.
            Task { await self.forget(id) }
        }
        return stream
    }

    private func forget(_ listener: Int) { listeners.remove(listener) }
}

extension Duration {
    /// Saturating.
    var nanoseconds: Int64 {
        let (seconds, attoseconds) = components
        let (whole, overflow) = seconds.multipliedReportingOverflow(by: 1_000_000_000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, beyond) = whole.addingReportingOverflow(attoseconds / 1_000_000_000)
        return beyond ? (seconds < 0 ? .min : .max) : sum
    }
}
