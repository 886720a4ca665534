import Drivers
import Tags

/// A device while it runs, with the task that polls it. A disabled one has tags and nothing else.
struct RunningDevice {
    let configuration: ConfigurationDiff.Device
    let handles: [TagHandle]
    let systemHandles: [TagHandle]
    let driver: (any Driver)?
    let task: Task<Void, Never>?
}
