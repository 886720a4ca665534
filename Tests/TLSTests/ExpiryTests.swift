import COpenSSL
import Foundation
import Testing

@testable import TLS

@Suite("The ends of certificates", .timeLimit(.minutes(1)))
struct ExpiryTests {
    private static let day: Int64 = 86_400

    private func certificate(
        _ role: WatchedCertificate.Role = .server, name: String = "factory", from: Int64? = nil, until: Int64
    ) -> WatchedCertificate {
        WatchedCertificate(role: role, name: name, agents: ["api"], validFrom: from, validUntil: until)
    }

    @Test("each threshold is told of once, the first look included, and the end too")
    func thresholds() {
        var warnings = ExpiryWarnings()
        let end = 1_000 * Self.day
        let watched = [certificate(until: end), certificate(.client, until: end + 400 * Self.day)]
        var told: [Int64] = []
        // Every hour from 40 days before the end to 3 days after it.
        for hour in -40 * 24...3 * 24 {
            let now = end + Int64(hour) * 3_600
            for warned in warnings.due(among: watched, now: now) {
                #expect(warned == watched[0])
                told.append(Int64(hour))
            }
        }
        #expect(told == [-720, -336, -168, -24, 1])
    }

    @Test("what begins late is told of once, and nothing again when the clock jumps")
    func jumps() {
        var warnings = ExpiryWarnings()
        let end = 1_000 * Self.day
        let watched = [certificate(until: end)]
        func isDue(_ now: Int64) -> Bool { !warnings.due(among: watched, now: now).isEmpty }
        let late = isDue(end - 3 * Self.day), again = isDue(end - 3 * Self.day + 1)
        #expect(late && !again)
        let forward = isDue(end + 400 * Self.day), back = isDue(end - 100 * Self.day)
        #expect(forward && !back)
        let near = isDue(end - Self.day), ended = isDue(end + 1)
        #expect(!near && !ended)
        // A new certificate in its place is another one.
        let next = warnings.due(among: [certificate(until: end + 20 * Self.day)], now: end)
        #expect(next.count == 1)
    }

    @Test("a revocation list that is replaced every day is no news every day")
    func lists() {
        func threshold(lifetime: Int64, left: Int64) -> Int? {
            let until = 1_000 * Self.day
            return ExpiryWarnings.threshold(
                of: certificate(.revocationList, from: until - lifetime * Self.day, until: until),
                now: until - left * Self.day)
        }
        #expect(threshold(lifetime: 1, left: 1) == nil)
        #expect(threshold(lifetime: 7, left: 6) == nil)
        #expect(threshold(lifetime: 7, left: 1) == 1)
        #expect(threshold(lifetime: 30, left: 13) == 14)
        #expect(threshold(lifetime: 30, left: 20) == nil)
        #expect(threshold(lifetime: 1, left: -1) == 0)
    }

    @Test("days are rounded down, also behind the end")
    func days() {
        let watched = certificate(until: 10 * Self.day)
        #expect(watched.daysLeft(now: 0) == 10)
        #expect(watched.daysLeft(now: 1) == 9)
        #expect(watched.daysLeft(now: 10 * Self.day) == 0)
        #expect(watched.daysLeft(now: 10 * Self.day + 1) == -1)
        #expect(watched.daysLeft(now: 11 * Self.day + 1) == -2)
    }

    @Test("the leaf counts in a chain, the last root among authorities, the first list that is due")
    func terms() throws {
        let folder = try TemporaryFolder()
        let now = Int64(Date.now.timeIntervalSince1970)
        func days(_ term: CertificateTerm?) throws -> Int64 { (try #require(term).until - now + 600) / Self.day }
        func write(_ parts: [[UInt8]], _ name: String) throws -> String {
            let path = "\(folder.path)/\(name)"
            try Data(parts.flatMap(\.self)).write(to: URL(fileURLWithPath: path))
            return path
        }
        let old = try ForgedCertificate(subject: "Old CA", isAuthority: true, valid: -600..<(20 * 86_400))
        let new = try ForgedCertificate(subject: "New CA", isAuthority: true, valid: -600..<(90 * 86_400))
        let leaf = try ForgedCertificate(subject: "leaf", issuer: new, valid: -600..<(40 * 86_400))
        #expect(try days(.ofCertificate(write([leaf.certificatePEM, new.certificatePEM], "chain"))) == 40)
        // The first end in the chain is the end of it all.
        let brief = try ForgedCertificate(
            subject: "Line CA", issuer: new, isAuthority: true, valid: -600..<(10 * 86_400))
        let behind = try ForgedCertificate(subject: "leaf", issuer: brief, valid: -600..<(40 * 86_400))
        #expect(try days(.ofCertificate(write([behind.certificatePEM, brief.certificatePEM], "brief"))) == 10)
        #expect(try days(.ofAuthorities(write([old.certificatePEM, new.certificatePEM], "ca"))) == 90)
        let soon = try revocationList(of: new, days: 3), later = try revocationList(of: old, days: 30)
        #expect(try days(.ofRevocationLists(write([later.pem, soon.pem], "crl.pem"))) == 3)
        #expect(try days(.ofRevocationLists(write([later.der], "crl.der"))) == 30)
        let large = [UInt8](repeating: 0x0A, count: 2 << 20)
        #expect(try days(.ofRevocationLists(write([large, soon.pem], "large.crl"))) == 3)
        for path in [try write([leaf.keyPEM], "key"), "\(folder.path)/nothing"] {
            #expect(throws: TLSError.self) { try CertificateTerm.ofCertificate(path) }
            #expect(throws: TLSError.self) { try CertificateTerm.ofAuthorities(path) }
            #expect(throws: TLSError.self) { try CertificateTerm.ofRevocationLists(path) }
        }
    }

    private func revocationList(of issuer: ForgedCertificate, days: Int) throws -> (pem: [UInt8], der: [UInt8]) {
        let list = try #require(X509_CRL_new())
        defer { X509_CRL_free(list) }
        X509_CRL_set_version(list, 1)
        X509_CRL_set_issuer_name(list, X509_get_subject_name(issuer.certificate))
        let time = try #require(X509_gmtime_adj(nil, 0))
        defer { ASN1_STRING_free(time) }
        X509_CRL_set1_lastUpdate(list, time)
        X509_gmtime_adj(time, days * 86_400)
        X509_CRL_set1_nextUpdate(list, time)
        try #require(X509_CRL_sign(list, issuer.key, EVP_sha256()) > 0)
        func bytes(_ write: (OpaquePointer?) -> Int32) -> [UInt8] {
            let memory = BIO_new(BIO_s_mem())
            defer { BIO_free(memory) }
            guard write(memory) == 1 else { return [] }
            var start: UnsafeMutablePointer<CChar>?
            let count = sallyport_memory_contents(memory, &start)
            return Array(UnsafeRawBufferPointer(start: start, count: count))
        }
        return (bytes { PEM_write_bio_X509_CRL($0, list) }, bytes { i2d_X509_CRL_bio($0, list) })
    }
}

@Suite("Looking at files", .timeLimit(.minutes(1)))
struct FileStateTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    @Test("contents and mode count; a touch, a copy and another link do not")
    func equality() throws {
        let path = "\(folder.path)/a", link = "\(folder.path)/link"
        let missing = FileState(path: path)
        try Data("one".utf8).write(to: URL(fileURLWithPath: path))
        let one = FileState(path: path, before: missing)
        #expect(one != missing && one == FileState(path: path, before: one))
        try FileManager.default.setAttributes([.modificationDate: Date.distantPast], ofItemAtPath: path)
        #expect(FileState(path: path, before: one) == one)
        try FileManager.default.copyItem(atPath: path, toPath: path + "2")
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path + "2")
        #expect(FileState(path: link, before: one) == one)
        try FileManager.default.setAttributes([.posixPermissions: 0o604], ofItemAtPath: path)
        #expect(FileState(path: path, before: one) != one)
        // The same size, in place, at once.
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path + "2"))
        let before = FileState(path: link)
        handle.write(Data("two".utf8))
        #expect(FileState(path: link, before: before) != before)
        #expect(FileState(path: folder.path) != one)
    }

    @Test("revocation lists of megabytes are told apart, and what is larger is not read")
    func large() throws {
        let path = "\(folder.path)/large.crl"
        func state(_ size: Int, _ byte: UInt8) throws -> FileState {
            try Data(repeating: byte, count: size).write(to: URL(fileURLWithPath: path))
            return FileState(path: path)
        }
        #expect(try state(3 << 20, 1) != state(3 << 20, 2))
        #expect(try state(RevocationLists.sizeLimit, 1) != state(RevocationLists.sizeLimit, 2))
        #expect(try state(RevocationLists.sizeLimit + 1, 1) == state(RevocationLists.sizeLimit + 1, 2))
    }

    @Test("a file that looks untouched is not read again")
    func untouched() throws {
        let path = "\(folder.path)/a"
        try Data("one".utf8).write(to: URL(fileURLWithPath: path))
        let read = FileState(path: path)
        // Too young to be believed: read again, whatever its stamp says.
        #expect(!read.isKnown(at: path))
        #expect(FileState(path: "/etc/os-release").isKnown(at: "/etc/os-release"))
    }

    @Test("another target behind a link that stays, as Kubernetes swaps it, is seen")
    func swapped() async throws {
        let files = FileManager.default
        for (name, text) in [("1", "one"), ("2", "two")] {
            try files.createDirectory(atPath: "\(folder.path)/\(name)", withIntermediateDirectories: false)
            try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder.path)/\(name)/cert"))
        }
        let path = "\(folder.path)/cert", data = "\(folder.path)/..data"
        try files.createSymbolicLink(atPath: data, withDestinationPath: "1")
        try files.createSymbolicLink(atPath: path, withDestinationPath: "..data/cert")
        var one = FileState(path: path)
        // Only what has been at rest for some seconds is not read again.
        while !one.isKnown(at: path) {
            try await Task.sleep(for: .milliseconds(100))
            one = FileState(path: path)
        }
        try files.removeItem(atPath: data)
        try files.createSymbolicLink(atPath: data, withDestinationPath: "2")
        #expect(FileState(path: path, before: one) != one)
    }
}
