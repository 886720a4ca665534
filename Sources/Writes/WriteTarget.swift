package import Tags

/// Who writes to a tag, and in whose lane its writes wait.
package struct WriteTarget: Sendable {
    /// `Channel.Device`.
    package var device: String
    package var writer: any TagWriter

    package init(device: String, writer: any TagWriter) {
        self.device = device
        self.writer = writer
    }
}
