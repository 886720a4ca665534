import FoundationEssentials

/// How much of the hostile runs is wanted: the subset that CI has time for, or all of it (`swift package e2e --all`).
enum Extent {
    static let isAll = ProcessInfo.processInfo.environment["SALLYPORT_E2E"] == "all"

    /// What a disabled test says.
    static let onlyAll = "takes minutes: only with `swift package e2e --all`"
}
