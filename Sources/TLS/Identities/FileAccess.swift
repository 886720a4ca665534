import COpenSSL
package import Glibc

/// Who may read and replace a secret's file. The same rule holds for keys and for files of passwords.
///
/// Its owner is the gateway's user or root, and nobody else may do anything, but a group that is only the gateway's may
/// read: one that the process is in, and that nobody else is. A group without an entry in the group database, as the
/// `fsGroup` of Kubernetes, has no other members.
package struct FileAccess: Sendable, Equatable {
    /// Permission bits.
    var mode: mode_t
    var owner: uid_t
    var group: gid_t
    /// Further users and groups by an access control list, which the permission bits do not show.
    var hasAccessList = false

    /// What the descriptor's file allows; links were followed when it was opened.
    package init(_ status: stat, descriptor: Int32) {
        self.init(mode: status.st_mode & 0o7777, owner: status.st_uid, group: status.st_gid)
        unsafe hasAccessList = fgetxattr(descriptor, "system.posix_acl_access", nil, 0) > 0
    }

    init(mode: mode_t, owner: uid_t, group: gid_t) {
        self.mode = mode
        self.owner = owner
        self.group = group
    }

    /// What is wrong and what to do, to be put behind the name of the file; nil when nothing is. Reads the group and user
    /// databases of this machine.
    package func problem() -> String? { problem(for: .current, members: GroupMembers.others) }

    /// - Parameter members: those of a group besides this user and root, by name.
    func problem(for process: Process, members: (gid_t, uid_t) -> [String]) -> String? {
        guard owner == process.user || owner == 0 else {
            return
                "belongs to another user (uid \(owner)), who may read and replace it: chown it to the user that runs "
                + "the gateway (uid \(process.user)) or to root"
        }
        let shown = "(mode 0\(String(mode, radix: 8)))"
        guard mode & 0o007 == 0 else {
            return "is open to everybody on this machine \(shown): chmod 600 it, and replace it if others had access"
        }
        guard !hasAccessList else {
            return "is open to further users by an access control list: setfacl -b and chmod 600 it, and replace it if "
                + "others had access"
        }
        guard mode & 0o030 == 0 else {
            return "may be replaced by the group \(group) \(shown): chmod 600 it, or 640 where the group is only the "
                + "gateway's"
        }
        guard mode & 0o040 != 0 else { return nil }
        guard process.groups.contains(group) else {
            return "may be read by the group \(group) \(shown), which the gateway is not in: chmod 600 it"
        }
        let others = members(group, process.user)
        guard others.isEmpty else {
            let named = others.prefix(3).joined(separator: ", ") + (others.count > 3 ? " and others" : "")
            return
                "may be read by the group \(group) \(shown), in which there is also \(named): chmod 600 it, or give it "
                + "to a group that is only the gateway's"
        }
        return nil
    }

    /// Who asks.
    struct Process {
        var user: uid_t
        var groups: Set<gid_t>

        static var current: Process {
            var groups = [gid_t](repeating: 0, count: Int(max(0, getgroups(0, nil))))
            let count = unsafe getgroups(Int32(groups.count), &groups)
            return Process(user: geteuid(), groups: Set(groups.prefix(Int(max(0, count))) + [getegid()]))
        }
    }
}

/// The members of groups as the machine's databases have them.
enum GroupMembers {
    /// Of a database entry larger than this nobody can tell.
    private static let longest = 1 << 20

    /// Who is in the group besides `user` and root, who may read everything: those that it lists, and those of
    /// /etc/passwd whose own group it is.
    static func others(in group: gid_t, besides user: uid_t) -> [String] {
        guard let listed = listed(in: group), let owners = owners(of: group, besides: user) else { return [unknown] }
        let names = listed.filter { name in
            guard let number = number(of: name) else { return false }
            return number != user && number != 0
        }
        return names + owners.filter { !names.contains($0) }
    }

    /// A database that does not answer may hide somebody.
    private static let unknown = "perhaps somebody (the machine's databases do not tell)"

    /// nil when nobody can tell.
    private static func listed(in group: gid_t) -> [String]? {
        var size = 4096
        while size <= longest {
            var entry = unsafe Glibc.group()
            var found: UnsafeMutablePointer<Glibc.group>?
            var text = [CChar](repeating: 0, count: size)
            var names: [String] = []
            let code = unsafe text.withUnsafeMutableBufferPointer { buffer in
                let code = unsafe getgrgid_r(group, &entry, buffer.baseAddress, buffer.count, &found)
                guard code == 0, let found = unsafe found, var next = unsafe found.pointee.gr_mem else { return code }
                while let name = unsafe next.pointee {
                    unsafe names.append(String(cString: name))
                    unsafe next += 1
                }
                return code
            }
            // Of what is not there getgrgid_r says 0, and of some databases an error of these.
            if [0, ENOENT, ESRCH].contains(code) { return names }
            if code != ERANGE { return nil }
            size *= 4
        }
        return nil
    }

    /// nil when nobody has that name any more.
    private static func number(of name: String) -> uid_t? {
        var size = 4096
        while size <= longest {
            var entry = unsafe passwd()
            var found: UnsafeMutablePointer<passwd>?
            var text = [CChar](repeating: 0, count: size)
            let code = unsafe getpwnam_r(name, &entry, &text, size, &found)
            if code != ERANGE { return unsafe found == nil ? nil : entry.pw_uid }
            size *= 4
        }
        return nil
    }

    /// nil when nobody can tell.
    private static func owners(of group: gid_t, besides user: uid_t) -> [String]? {
        guard let file = unsafe fopen("/etc/passwd", "re") else { return errno == ENOENT ? [] : nil }
        defer { unsafe fclose(file) }
        var names: [String] = []
        var text = [CChar](repeating: 0, count: 1 << 16)
        while true {
            var entry = unsafe passwd()
            var found: UnsafeMutablePointer<passwd>?
            guard unsafe fgetpwent_r(file, &entry, &text, text.count, &found) == 0, unsafe found != nil else { break }
            guard unsafe entry.pw_gid == group, unsafe entry.pw_uid != user, unsafe entry.pw_uid != 0 else { continue }
            unsafe names.append(String(cString: entry.pw_name))
        }
        return names
    }
}
