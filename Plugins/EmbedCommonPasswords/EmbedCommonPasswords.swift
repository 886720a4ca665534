import Foundation
import PackagePlugin

/// Makes one Swift string of the common passwords, so that the binary carries them: a resource would lie beside it, and
/// the array that `.embedInCode` makes takes 20 s to compile where the string takes 0.2 s.
@main
struct EmbedCommonPasswords: BuildToolPlugin {
    func createBuildCommands(context: PluginContext, target: any Target) throws -> [Command] {
        let output = context.pluginWorkDirectoryURL.appending(path: "CommonPasswords+list.swift")
        let script = context.package.directoryURL.appending(path: "Plugins/EmbedCommonPasswords/embed")
        return [
            .prebuildCommand(
                displayName: "Embedding the common passwords",
                executable: URL(filePath: "/bin/sh"),
                arguments: [
                    script.path(), target.directoryURL.appending(path: "Passwords").path(), output.path(),
                ],
                outputFilesDirectory: context.pluginWorkDirectoryURL)
        ]
    }
}
