import COpenSSL
import Glibc
import Testing

@testable import TLS

@Suite("Who may read a key", .timeLimit(.minutes(1)))
struct FileAccessTests {
    private let folder: TemporaryFolder
    private let leaf: ForgedCertificate

    init() throws {
        folder = try TemporaryFolder()
        leaf = try ForgedCertificate(subject: "gateway", names: "DNS:localhost")
        try folder.write("c.pem", leaf.certificatePEM)
        try folder.write("k.pem", leaf.keyPEM)
    }

    private func problem(_ key: String = "k.pem") -> String? {
        do {
            _ = try TLSIdentity.load(
                TLSIdentityOptions(
                    name: "x", certificateFile: "\(folder.path)/c.pem", keyFile: "\(folder.path)/\(key)"))
            return nil
        } catch {
            #expect(error.code == .permissions)
            return error.reason
        }
    }

    private var key: String { folder.path + "/k.pem" }

    @Test(arguments: [mode_t(0o600), 0o400]) func forItsOwner(_ mode: mode_t) {
        chmod(key, mode)
        #expect(problem() == nil)
    }

    @Test(arguments: [
        (mode_t(0o604), "everybody"), (0o644, "everybody"), (0o444, "everybody"), (0o777, "everybody"),
        (0o660, "replaced by the group"), (0o620, "replaced by the group"), (0o610, "replaced by the group"),
    ])
    func refused(_ mode: mode_t, _ words: String) throws {
        chmod(key, mode)
        let problem = try #require(self.problem())
        #expect(problem.contains(words) && problem.contains("(mode 0\(String(mode, radix: 8)))"), "\(problem)")
        #expect(problem.contains("chmod 600 it"))
    }

    /// Only root can give files away; the rules themselves are tested below for everybody.
    @Test(.enabled(if: geteuid() == 0)) func ofSomebodyElse() throws {
        chown(key, 65_534, 0)
        #expect(try #require(problem()).contains("belongs to another user (uid 65534)"))
        // A group that the process is not in, and that nobody is listed in.
        chown(key, 0, 45_678)
        chmod(key, 0o440)
        #expect(try #require(problem()).contains("which the gateway is not in"))
        chmod(key, 0o400)
        #expect(problem() == nil)
    }

    /// As Kubernetes mounts secrets: a link to a link to the file.
    @Test func linksAreFollowed() throws {
        mkdir(folder.path + "/..2026", 0o755)
        rename(key, folder.path + "/..2026/k.pem")
        symlink("..2026", folder.path + "/..data")
        symlink("..data/k.pem", key)
        chmod(folder.path + "/..2026/k.pem", 0o400)
        #expect(problem() == nil)
        chmod(folder.path + "/..2026/k.pem", 0o404)
        #expect(problem() != nil)
    }

    @Test func accessLists() throws {
        // u::rw-, u:65534:r--, g::---, m::r--, o::--- as the kernel stores it: version 2, then tag, permission and id.
        var list: [UInt8] = [2, 0, 0, 0]
        for (tag, permission, id) in [
            (1, 6, UInt32.max), (2, 4, 65_534), (4, 0, .max), (16, 4, .max), (32, 0, .max),
        ] as [(UInt8, UInt8, UInt32)] {
            list += [tag, 0, permission, 0]
            list += (0..<4).map { UInt8(truncatingIfNeeded: id >> ($0 * 8)) }
        }
        // Not every file system has them.
        guard setxattr(key, "system.posix_acl_access", list, list.count, 0) == 0 else { return }
        #expect(try #require(problem()).contains("access control list"))
    }

    private func rule(
        mode: mode_t, owner: uid_t = 500, group: gid_t = 500, members: [String] = []
    ) -> String? {
        FileAccess(mode: mode, owner: owner, group: group).problem(
            for: FileAccess.Process(user: 500, groups: [500, 600]), members: { _, _ in members })
    }

    @Test func rules() {
        for mode in [mode_t(0o600), 0o400, 0o640, 0o440] {
            #expect(rule(mode: mode) == nil)
            #expect(rule(mode: mode, owner: 0, group: 600) == nil)
            #expect(rule(mode: mode, owner: 501) != nil)
        }
        // A group that is not ours, or not ours alone, says nothing as long as it may nothing.
        #expect(rule(mode: 0o600, group: 700, members: ["eve"]) == nil)
        #expect(rule(mode: 0o440, group: 700)?.contains("which the gateway is not in") == true)
        let shared = rule(mode: 0o440, members: ["eve", "mallory"])
        #expect(shared?.contains("in which there is also eve, mallory: chmod 600 it") == true, "\(shared ?? "")")
        let crowd = rule(mode: 0o440, members: ["a", "b", "c", "d"])
        #expect(crowd?.contains("also a, b, c and others") == true, "\(crowd ?? "")")
    }

    /// Against this machine's own databases: root's group is root's alone on Debian, no entry means nobody.
    @Test func members() {
        #expect(GroupMembers.others(in: 0, besides: 0) == [])
        #expect(GroupMembers.others(in: 45_678, besides: 1) == [])
        // The group "nogroup" is the own group of several system users.
        #expect(!GroupMembers.others(in: 65_534, besides: 1).isEmpty)
    }
}
