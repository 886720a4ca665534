import Logging
import NIOCore
import Tags

extension ModbusDevice {
    package func run() async {
        guard !isRunning else { return }
        isRunning = true
        isStopping = false
        runs += 1
        let run = runs
        state.state = .connecting
        let now = Timestamp.now
        for index in last.indices where last[index].quality == .waitingForInitialData { last[index].timestamp = now }
        await withTaskCancellationHandler {
            while !isStopping, !Task.isCancelled { await step() }
        } onCancel: {
            loop.execute { self.assumeIsolated { $0.stop(run) } }
        }
        disconnect()
        refuseWrites("the device is stopped")
        listeners.finish()
        state.state = .stopped
        isRunning = false
    }

    /// The one thing that is due now, or a wait for what is due next.
    private func step() async {
        if let end = lostWhileIdle {
            lostWhileIdle = nil
            return await takeUp(end)
        }
        let now = NIODeadline.now()
        let next = due.indices.min { due[$0] < due[$1] }
        let nextDue = next.map { due[$0] } ?? now + .hours(1)
        guard channel != nil else {
            // A device that closes idle connections is called again when there is something to ask.
            let wanted = backoff.failures == 0 && !writes.isEmpty ? retryAt : max(retryAt, nextDue)
            return wanted > now ? await sleep(until: wanted) : await connect()
        }
        // A write and a block in turn: as many writes as there may be, they do not make the values old.
        if !writes.isEmpty, !isPollOwed || nextDue > now { return await serveWrite() }
        guard let next, nextDue <= now else { return await sleep(until: nextDue) }
        // Fixed rate; what was missed is not made up for.
        let period = groups[next].period
        let behind = (now - nextDue).nanoseconds
        due[next] =
            nextDue.uptimeNanoseconds == 0
            ? now + .nanoseconds(period) : nextDue + .nanoseconds((behind / period + 1) * period)
        await poll(next)
    }

    // MARK: Failures and answers

    /// What became of a connection on which nothing was being asked.
    private func takeUp(_ end: Outcome) async {
        switch end {
        case .violation(let error): await fail(.protocolError, "\(error)")
        // Devices may close idle connections: no failure unless it never answered.
        case .lost(let reason) where repliesOnConnection == 0: await fail(.notConnected, reason)
        default: break
        }
    }

    /// The device does not do what it should: its tags are bad, and it is left alone for a while.
    func fail(_ quality: Quality, _ reason: String) async {
        disconnect()
        guard !isStopping else { return }
        failed(reason)
        let delay = backoff.failed(random: Double.random(in: 0..<1))
        retryAt = .now() + .nanoseconds(delay)
        if backoff.failures == 1 {
            logger.warning("Device does not answer", metadata: ["reason": "\(reason)"])
        } else if backoff.isDemoted, state.state != .demoted {
            logger.warning("Device is asked less often", metadata: ["failures": "\(backoff.failures)"])
        }
        state.state = backoff.isDemoted ? .demoted : .failing
        refuseWrites(reason)
        await markAll(quality)
    }

    func failed(_ reason: String) {
        state.failures += 1
        note(reason)
    }

    /// What an engineer sees as the last error.
    private func note(_ reason: String) {
        state.lastError = reason
        state.lastErrorTime = .now
    }

    /// A reply or an exception: the device is there.
    private func answered() {
        heard()
        guard backoff.failures > 0 || state.state != .connected else { return }
        if backoff.failures > 0 { logger.info("Device answers again") }
        backoff.succeeded()
        state.state = .connected
    }

    /// Whatever comes, to a write as well, tells a silent block from a silent device.
    func heard() {
        repliesOnConnection += 1
        isDoubted = false
        lastHeard = .now()
    }

    // MARK: A poll

    private enum ReadResult {
        case data(ByteBuffer)
        case exception(ModbusException)
        /// This block got no answer, the device did.
        case silent
        /// The connection is gone and the tags are marked.
        case dead
    }

    /// Asks for all of a group's blocks and delivers what came, in one batch.
    private func poll(_ group: Int) async {
        let began = NIODeadline.now()
        groups[group].restoreIfDue(at: began)
        if groups[group].blocks.contains(where: \.isSuspect) {
            let blocks = groups[group].blocks
            groups[group].blocks = blocks.filter { !$0.isSuspect } + blocks.filter(\.isSuspect)
        }
        var batch: [TagUpdate] = []
        batch.reserveCapacity(groups[group].tags)
        var hasAnswered = false
        var hasData = false
        var isComplete = true
        var index = 0
        while index < groups[group].blocks.count, !isStopping {
            let block = groups[group].blocks[index]
            isPollOwed = false
            let result = await read(block, of: group, hasAnswered: hasAnswered, delivering: &batch)
            switch result {
            case .data(let pdu):
                groups[group].blocks[index].isSuspect = false
                groups[group].blocks[index].isRefused = false
                groups[group].blocks[index].pieces = []
                hasAnswered = true
                hasData = true
                decode(pdu, block, into: &batch)
            case .exception(let exception):
                groups[group].blocks[index].isSuspect = false
                hasAnswered = true
                if exception == .illegalAddress, groups[group].refused(at: index, now: .now()) { continue }
                if exception != .illegalAddress, groups[group].cutAgain(at: index, now: .now()) { continue }
                failed("\(exception) to \(words.words(block.request))")
                let quality: Quality = exception == .illegalAddress ? .addressRefused : .deviceException
                for item in block.items { append(item.tag, quality, to: &batch) }
            case .silent, .dead:
                groups[group].blocks[index].isSuspect = true
                isComplete = false
                if case .dead = result { return }
                if groups[group].cutAgain(at: index, now: .now()) { continue }
            }
            index += 1
            if !writes.isEmpty {
                await deliver(&batch)
                await serveWrite()
                guard channel != nil else { return }
            }
        }
        guard !isStopping else { return }
        groups[group].mendSplits()
        // A refused address says nothing against the others: values came, and the device answered everything.
        if hasData { state.lastGood = .now }
        if isComplete, hasAnswered { state.lastPoll = .nanoseconds((NIODeadline.now() - began).nanoseconds) }
        await deliver(&batch)
    }

    /// Asks for one block, again after a timeout as often as the device's retries say.
    ///
    /// - Parameter batch: what the poll has read so far: delivered before anything is marked bad, so that no bad quality
    ///   is followed by an older good one.
    private func read(
        _ block: ModbusBlock, of group: Int, hasAnswered: Bool, delivering batch: inout [TagUpdate]
    ) async -> ReadResult {
        let request = block.request
        let attempts = block.isSuspect || isDoubted || !block.pieces.isEmpty ? 1 : 1 + max(options.retries, 0)
        var attempt = 0
        while true {
            attempt += 1
            switch await perform(request) {
            case .reply(let pdu):
                answered()
                return .data(pdu)
            case .exception(let exception):
                answered()
                state.exceptions += 1
                if exception == .busy, attempt < attempts {
                    // Asked again at once it would be no less busy.
                    await pause(.nanoseconds(min(groups[group].period / 8, timeout.nanoseconds)))
                    if isStopping { return .exception(exception) }
                    continue
                }
                return .exception(exception)
            case .timeout:
                state.timeouts += 1
                let reason = "no reply to \(words.words(request)) within \(options.timeout), attempt \(attempt)"
                note(reason)
                await deliver(&batch)
                // Within a poll and a timeout the tags are bad; a retry that succeeds makes them good again. A block
                // that never answers on a device that otherwise does speaks for itself only.
                if !block.pieces.isEmpty {
                    // Tried whole again; its pieces are asked next and speak for the tags.
                    failed(reason)
                    return .silent
                }
                if block.isSuspect || (hasAnswered && attempt == 1) {
                    await mark(block.items.map(\.tag), .timeout)
                } else {
                    await markAll(.timeout)
                }
                if attempt < attempts, !isStopping { continue }
                if hasAnswered || othersMayAnswer(than: block) {
                    failed(reason)
                    return .silent
                }
                await fail(.timeout, reason)
                return .dead
            case .violation(let error):
                await deliver(&batch)
                await fail(.protocolError, "\(error)")
                return .dead
            case .lost(let reason):
                await deliver(&batch)
                await fail(.notConnected, reason)
                return .dead
            case .notSent:
                await deliver(&batch)
                await failUnsent()
                return .dead
            }
        }
    }

    /// Whether a block that got no answer may be all that is silent: another one, which answered when it was last asked,
    /// is asked before the device is given up.
    private func othersMayAnswer(than block: ModbusBlock) -> Bool {
        let judges = groups.indices.filter { group in
            groups[group].blocks.contains { !$0.isSuspect && $0.items != block.items }
        }
        guard !judges.isEmpty else { return false }
        if block.isSuspect {
            // Its silence is no news. Where the others are asked rarely, they are asked once in a while for its sake.
            if .now() - lastHeard > ModbusDevice.longestUnheard {
                for group in judges { due[group] = .uptimeNanoseconds(0) }
            }
            return true
        }
        guard repliesOnConnection > 0, !isDoubted else { return false }
        isDoubted = true
        return true
    }

    /// The connection ended between two requests.
    func failUnsent() async {
        let end = lostWhileIdle
        lostWhileIdle = nil
        switch end {
        case .violation(let error): await fail(.protocolError, "\(error)")
        case .lost(let reason): await fail(.notConnected, reason)
        default: await fail(.notConnected, "the connection is gone")
        }
    }

    private func deliver(_ batch: inout [TagUpdate]) async {
        guard !batch.isEmpty else { return }
        let updates = batch
        batch = []
        await sink(updates)
    }

    private func decode(_ pdu: ByteBuffer, _ block: ModbusBlock, into batch: inout [TagUpdate]) {
        // The exchange has checked that the reply holds the whole block, after function code and byte count.
        guard let slice = pdu.getSlice(at: pdu.readerIndex + 2, length: pdu.readableBytes - 2) else { return }
        let data = slice.readableBytesSpan
        let time = Timestamp.now
        for item in block.items {
            let decoded = codecs[item.tag].decode(data, at: item.address - block.address, last: last[item.tag].data)
            switch decoded {
            case .value(let data, let quality):
                last[item.tag] = TagValue(data: data, quality: quality, timestamp: time)
            case .outOfRange:
                last[item.tag].quality = .outOfRange
                last[item.tag].timestamp = time
            }
            batch.append(TagUpdate(handle: handles[item.tag], value: last[item.tag]))
        }
    }

    // MARK: Bad quality

    /// Reports a quality with the last value and its time, where it is news.
    private func mark(_ tags: some Sequence<Int>, _ quality: Quality) async {
        var batch: [TagUpdate] = []
        for tag in tags { append(tag, quality, to: &batch) }
        if !batch.isEmpty { await sink(batch) }
    }

    /// All of the device's tags: each group is due at once then, so that the slow ones are good again as soon as the
    /// device is there, not after their next period.
    private func markAll(_ quality: Quality) async {
        for group in due.indices { due[group] = .uptimeNanoseconds(0) }
        await mark(handles.indices, quality)
    }

    private func append(_ tag: Int, _ quality: Quality, to batch: inout [TagUpdate]) {
        guard last[tag].quality != quality else { return }
        last[tag].quality = quality
        batch.append(TagUpdate(handle: handles[tag], value: last[tag]))
    }
}
