import Foundation
import PackagePlugin

/// `swift package e2e`: builds everything and runs the end-to-end suite, which drives the real binary against real peers.
/// With `--all` the long hostile runs, too, that CI has no time for. With `--soak` the custody runs for hours: 3000 kills.
///
/// `swift package e2e [--all | --soak] [FILTER]`
@main
struct EndToEnd: CommandPlugin {
    func performCommand(context: PluginContext, arguments: [String]) throws {
        let isAll = arguments.contains("--all")
        // The tests ask for it, and say so where they are left out.
        if isAll {
            setenv("SALLYPORT_E2E", "all", 1)
            // Examples for each operation; who has asked for another number gets it.
            setenv("SALLYPORT_SCHEMATHESIS", "200", 0)
        }
        if arguments.contains("--soak") { setenv("SALLYPORT_E2E", "soak", 1) }
        let built = try packageManager.build(.all(includingTests: true), parameters: .init(echoLogs: true))
        guard built.succeeded else { throw Failure(description: "the build failed") }
        // Neither `swift test`, which waits for ever on the build folder that this command holds, nor the package
        // manager's own test function, which knows only XCTest: the test program itself.
        let program = context.package.directoryURL.appending(
            path: ".build/debug/\(context.package.displayName)PackageTests.xctest")
        let code = try run([
            program.path(), "--testing-library", "swift-testing", "--no-parallel", "--filter",
            arguments.first { !$0.hasPrefix("--") }
                ?? (arguments.contains("--soak") ? "EndToEndTests.CustodyTests" : "EndToEndTests"),
        ])
        guard code == 0 else { throw Failure(description: "the end-to-end suite failed") }
    }

    /// Runs a program to its end with our own output. `Process` would start it with SIGTERM blocked, and all it starts.
    private func run(_ arguments: [String]) throws -> Int32 {
        var attributes = posix_spawnattr_t()
        posix_spawnattr_init(&attributes)
        defer { posix_spawnattr_destroy(&attributes) }
        var none = sigset_t()
        sigemptyset(&none)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
        var words: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
        defer { words.forEach { free($0) } }
        var child = pid_t()
        let started = posix_spawn(&child, arguments[0], nil, &attributes, &words, environ)
        guard started == 0 else { throw Failure(description: "\(arguments[0]): \(String(cString: strerror(started)))") }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }

    struct Failure: Error, CustomStringConvertible {
        let description: String
    }
}
