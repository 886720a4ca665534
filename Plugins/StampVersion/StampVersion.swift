import Foundation
import PackagePlugin

/// Writes `Version.swift` with the version and the commit of this checkout, so that `--version` tells what runs.
@main
struct StampVersion: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let output = context.pluginWorkDirectoryURL.appending(path: "Version.swift")
        let script = context.package.directoryURL.appending(path: "Plugins/StampVersion/stamp")
        return [
            .prebuildCommand(
                displayName: "Stamping version and commit",
                executable: URL(filePath: "/bin/sh"),
                arguments: [script.path(), context.package.directoryURL.path(), output.path()],
                outputFilesDirectory: context.pluginWorkDirectoryURL)
        ]
    }
}
