import GatewayConfiguration
import TestPeers
import Testing

@Suite("Broken files", .timeLimit(.minutes(5)))
struct BrokenFileTests {
    @Test(arguments: BrokenFile.all)
    func everyProblemWithItsPlace(_ file: BrokenFile) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(file.text, to: "gateway.yaml")
        let outcome = GatewayConfiguration.load(path: path, environment: ["SECRET": "hunter22"])
        let problems = outcome.problems.map {
            $0.description.replacing("\(path):", with: "").replacing("\(directory.path)/", with: "")
        }
        #expect(problems == file.problems)
        #expect((outcome.configuration == nil) == outcome.problems.contains { $0.severity == .error })
        #expect(outcome.problems.allSatisfy { !$0.message.contains("hunter2") })
    }
}
