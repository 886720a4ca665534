import Tags
import Testing

@testable import SecurityPolicy

@Suite(.timeLimit(.minutes(1)))
struct PolicyTests {
    static func rule(_ pattern: String, _ actions: TagAction...) throws -> PermissionRule {
        PermissionRule(tags: try TagPattern(pattern), actions: Set(actions), place: "gateway.yaml:7")
    }

    static func snapshot() throws -> PolicySnapshot {
        PolicySnapshot(groups: [
            GroupOptions(name: "viewers", allow: [try rule("**", .browse, .read)], gateway: [.status]),
            GroupOptions(
                name: "operators",
                allow: [
                    try rule("Plant.**", .browse, .read), try rule("Plant.PLC1.Valve", .write),
                    try rule("Blind.**", .read, .write),
                ],
                deny: [try rule("Plant.PLC1.Interlock*", .write), try rule("Plant.Secret.**", .browse)]),
            GroupOptions(name: "watchers", allow: [try rule("_System._*", .browse, .read)]),
        ])
    }

    static func decide(_ groups: [String], _ action: TagAction, _ tag: String) throws -> PolicyDecision {
        try snapshot().decide(Principal(user: "u", groups: groups), action, TagName(validated: tag))
    }

    @Test(arguments: [
        (["operators"], TagAction.write, "Plant.PLC1.Valve", true),
        (["OPERATORS"], .write, "plant.plc1.VALVE", true),
        (["operators"], .write, "Plant.PLC1.Level", false),
        (["operators"], .read, "Plant.PLC1.Level", true),
        (["operators"], .read, "Other.D.T", false),
        (["operators", "viewers"], .read, "Other.D.T", true),
        // One deny anywhere wins, also over what another group allows.
        (["operators", "viewers"], .browse, "Plant.Secret.T", false),
        (["operators", "viewers"], .read, "Plant.Secret.T", false),
        (["viewers"], .read, "Plant.Secret.T", true),
        (["operators"], .write, "Plant.PLC1.Interlock7", false),
        // Read and write need browse.
        (["operators"], .read, "Blind.D.T", false),
        (["operators"], .write, "Blind.D.T", false),
        (["operators", "viewers"], .write, "Blind.D.T", true),
        // `**` gives no system tags, to administrators neither.
        (["viewers"], .browse, "Plant.PLC1._System._Error", false),
        (["Administrators"], .write, "Plant.PLC1._System._Error", false),
        (["Administrators"], .browse, "_System._Date", false),
        (["Administrators", "watchers"], .read, "_System._Date", true),
        (["Administrators", "watchers"], .write, "_System._Date", false),
        (["administrators"], .write, "Any.Thing.At.All", true),
        (["Administrators", "operators"], .read, "Plant.Secret.T", false),
        // Nothing by default.
        ([], .browse, "Plant.PLC1.Level", false),
        (["gone"], .browse, "Plant.PLC1.Level", false),
    ])
    func decides(_ groups: [String], _ action: TagAction, _ tag: String, _ allowed: Bool) throws {
        #expect(try Self.decide(groups, action, tag).isAllowed == allowed)
    }

    @Test func saysWhichRule() throws {
        let allowed = try Self.decide(["operators"], .write, "Plant.PLC1.Valve")
        #expect(allowed.description == #"allowed by "Plant.PLC1.Valve" of group operators (gateway.yaml:7)"#)
        let denied = try Self.decide(["operators"], .write, "Plant.PLC1.Interlock1")
        #expect(denied.description == #"denied by "Plant.PLC1.Interlock*" of group operators (gateway.yaml:7)"#)
        #expect(try Self.decide(["operators"], .read, "Blind.D.T") == .denied(.needsBrowse(by: nil)))
        #expect(try Self.decide([], .read, "Blind.D.T") == .denied(.noRule))
        #expect(try Self.decide(["Administrators"], .read, "A.B.C") == .allowed(by: .administrator))
    }

    @Test func anonymousHasNothingUnlessGiven() throws {
        let name = TagName(validated: "A.B.C")
        #expect(!(try Self.snapshot().decide(.anonymous, .browse, name).isAllowed))
        let given = PolicySnapshot(groups: [GroupOptions(name: "anonymous", allow: [try Self.rule("A.**", .browse)])])
        #expect(given.decide(.anonymous, .browse, name).isAllowed)
        #expect(!given.decide(Principal(user: "u", groups: []), .browse, name).isAllowed)
    }

    @Test func permissionsThatAreNotAboutTags() throws {
        let snapshot = try Self.snapshot()
        #expect(snapshot.allows(.status, to: Principal(user: "u", groups: ["viewers"])))
        #expect(!snapshot.allows(.auditLog, to: Principal(user: "u", groups: ["viewers"])))
        #expect(snapshot.allows(.auditLog, to: Principal(user: "u", groups: ["Administrators"])))
    }

    /// The remembered decisions are those of the one function, for every group, action and tag.
    @Test func rememberedDecisionsAgree() throws {
        let names = ["Plant.PLC1.Valve", "Plant.Secret.T", "Blind.D.T", "Plant.PLC1.Interlock1", "A.B._C", "A.B.C"]
            .map { TagName(validated: $0) }
        let box = PolicyBox(try Self.snapshot())
        for groups in [[], ["viewers"], ["operators"], ["operators", "viewers"], ["Administrators"]] {
            let principal = Principal(user: "u", groups: groups)
            for action in TagAction.allCases {
                for _ in 0..<2 {
                    var handles = names.indices.map { TagHandle?(TagHandle(index: UInt32($0 * 100))) }
                    box.permissions(for: principal).removeDenied(action, from: &handles) { names[Int($0.index) / 100] }
                    for (index, name) in names.enumerated() {
                        let decision = box.snapshot.decide(principal, action, name)
                        #expect((handles[index] != nil) == decision.isAllowed, "\(groups) \(action) \(name)")
                    }
                }
            }
        }
    }

    @Test func aNewPolicyForgetsTheOld() throws {
        let box = PolicyBox(try Self.snapshot())
        let principal = Principal(user: "u", groups: ["viewers"])
        let name = TagName(validated: "A.B.C")
        func sees() -> Bool {
            var handles: [TagHandle?] = [TagHandle(index: 0)]
            box.permissions(for: principal).removeDenied(.read, from: &handles) { _ in name }
            return handles[0] != nil
        }
        #expect(sees())
        box.replace(PolicySnapshot())
        #expect(!sees())
        box.replace(try Self.snapshot())
        #expect(sees())
        // However many sets of groups there are, they stay bounded and right.
        for number in 0..<200 { _ = box.permissions(for: Principal(user: "u", groups: ["g\(number)"])) }
        #expect(sees())
    }
}
