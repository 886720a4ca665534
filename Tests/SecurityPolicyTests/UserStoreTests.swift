import Foundation
import GRDB
import Testing

@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(2)))
struct UserStoreTests {
    static let password = "correct horse battery"
    static let cheap = PasswordHash.Parameters(rounds: 16, blockSize: 1, parallelism: 1)

    static func withDirectory(_ body: (String) async throws -> Void) async throws {
        let path = NSTemporaryDirectory() + "/sallyport-users-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: path) }
        try await body(path)
    }

    static func open(_ path: String) async throws -> UserStore {
        try await UserStore.open(dataDirectory: path, parameters: cheap)
    }

    @Test func usersOutliveTheProcess() async throws {
        try await Self.withDirectory { path in
            do {
                let store = try await Self.open(path)
                #expect(!store.hasAdministrator)
                try await store.add(name: "Ada", password: Self.password, groups: ["viewers", "Administrators"])
                try await store.add(name: "j.doe", password: Self.password, groups: ["viewers"])
                try await store.disable(name: "J.DOE")
            }
            let store = try await Self.open(path)
            #expect(store.list().map(\.name) == ["Ada", "j.doe"])
            #expect(store.user(named: "ada")?.groups == ["Administrators", "viewers"])
            #expect(store.user(named: "j.doe")?.isDisabled == true)
            #expect(store.hasAdministrator)
            #expect(store.user(named: "Ada")?.principal.isAdministrator == true)
        }
    }

    @Test func filesAreForTheOwnerAlone() async throws {
        try await Self.withDirectory { path in
            let store = try await Self.open(path)
            try await store.add(name: "ada", password: Self.password, groups: ["viewers"])
            for file in try FileManager.default.contentsOfDirectory(atPath: path) {
                let attributes = try FileManager.default.attributesOfItem(atPath: path + "/" + file)
                #expect(attributes[.posixPermissions] as? Int == 0o600, "\(file)")
            }
        }
    }

    @Test func newerSchemaIsRefused() async throws {
        try await Self.withDirectory { path in
            _ = try await Self.open(path)
            try await DatabaseQueue(path: path + "/security.sqlite").write { db in
                try db.execute(sql: "PRAGMA user_version = 3")
            }
            let error = SecurityPolicyError.newerDatabase(path: path + "/security.sqlite", version: 3)
            await #expect(throws: error) { _ = try await Self.open(path) }
        }
    }

    @Test func damagedDatabaseIsASentence() async throws {
        try await Self.withDirectory { path in
            try Data(repeating: 0x41, count: 8192).write(to: URL(fileURLWithPath: path + "/security.sqlite"))
            await #expect { _ = try await Self.open(path) } throws: { "\($0)".contains("not a database") }
            await #expect { _ = try await Self.open(path + "/nowhere") } throws: { "\($0)".contains("No such file") }
        }
    }

    @Test func namesAndPasswordsAreChecked() async throws {
        try await Self.withDirectory { path in
            let store = try await Self.open(path)
            func refusal(_ name: String, _ password: String) async -> SecurityPolicyError? {
                do throws(SecurityPolicyError) {
                    try await store.add(name: name, password: password, groups: ["g"])
                    return nil
                } catch {
                    return error
                }
            }
            for name in [
                "", " a", "a:b", "a:\u{301}b", "a\nb", "a\"b", "anonymous", String(repeating: "a", count: 32),
                "e\u{301}",
            ] {
                guard case .userName? = await refusal(name, Self.password) else {
                    Issue.record("\(name.debugDescription) was taken")
                    continue
                }
            }
            #expect(await refusal("ada", "short") == .passwordTooShort(minimum: 14))
            #expect(await refusal("ada", "thirteen char") == .passwordTooShort(minimum: 14))
            #expect(await refusal("ada", "ééééééé") == .passwordTooShort(minimum: 14))
            #expect(await refusal("ada", String(repeating: "a ", count: 513)) == .passwordTooLong)
            #expect(await refusal("ada", Self.password + "\0") == .passwordContainsNUL)
            // One ligature is eighteen characters in NFKC.
            #expect(await refusal("ada", String(repeating: "\u{FDFA}", count: 60)) == .passwordTooLong)
            #expect(await refusal("lovelace", "the Lovelace language 83") == .passwordContainsUserName)
            #expect(await refusal("adam", "the ADAM language 83") == .passwordContainsUserName)
            let repetitions = ["aaaaaaaaaaaaaa", "AbababABABabab", "abcabcabcabcabc", "1212121212121212"]
            for password in repetitions {
                #expect(await refusal("eve", password) == .passwordRepeats, "\(password)")
            }
            #expect(await refusal("al", "a really small animal") == nil)
            #expect(await refusal("bea", "abcdabceabcfabcg") == nil)
            #expect(await refusal(String(repeating: "é", count: 31), Self.password) == nil)
            #expect(await refusal("ada", "fourteen chars") == nil)
            #expect(await refusal("ADA", Self.password) == .userExists("ADA"))
            await #expect(throws: SecurityPolicyError.noGroup) {
                try await store.add(name: "eve", password: Self.password, groups: [])
            }
        }
    }

    @Test func lastAdministratorStays() async throws {
        try await Self.withDirectory { path in
            let store = try await Self.open(path)
            try await store.add(name: "ada", password: Self.password, groups: ["Administrators"])
            try await store.add(name: "bob", password: Self.password, groups: ["viewers"])
            let error = SecurityPolicyError.lastAdministrator("ada")
            await #expect(throws: error) { try await store.remove(name: "ada") }
            await #expect(throws: error) { try await store.disable(name: "ada") }
            await #expect(throws: error) { try await store.setGroups(of: "ada", to: ["viewers"]) }
            #expect(store.hasAdministrator)
            try await store.setGroups(of: "bob", to: ["administrators"])
            try await store.remove(name: "ada")
            #expect(store.list().map(\.name) == ["bob"])
            await #expect(throws: SecurityPolicyError.noSuchUser("ada")) { try await store.enable(name: "ada") }
            await #expect(throws: SecurityPolicyError.noSuchUser("ada")) { try await store.remove(name: "ada") }
            await #expect(throws: SecurityPolicyError.noSuchUser("ada")) {
                try await store.setPassword(of: "ada", to: Self.password)
            }
        }
    }

    @Test func passwordsDoNotStandInTheFile() async throws {
        try await Self.withDirectory { path in
            let store = try await Self.open(path)
            try await store.add(name: "ada", password: Self.password, groups: ["viewers"])
            for file in try FileManager.default.contentsOfDirectory(atPath: path) {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: path + "/" + file))
                #expect(bytes.range(of: Data(Self.password.utf8)) == nil)
            }
        }
    }
}
