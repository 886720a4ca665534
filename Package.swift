// swift-tools-version: 6.2

import PackageDescription

/// One set of settings for every target of ours: see docs/architecture.md, "Settings".
let settings: [SwiftSetting] = [
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("MemberImportVisibility"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("NonisolatedNonsendingByDefault"),
    .enableUpcomingFeature("InferIsolatedConformances"),
    .treatAllWarnings(as: .error),
]

/// Targets that hold C pointers also check every use of an unsafe construct.
let wrapperSettings = settings + [.strictMemorySafety()]

extension Target.Dependency {
    static let collections = product(name: "DequeModule", package: "swift-collections")
    static let logging = product(name: "Logging", package: "swift-log")
}

let package = Package(
    name: "sallyport",
    dependencies: [
        .package(url: "https://github.com/apple/swift-log", from: "1.16.0"),
        .package(url: "https://github.com/apple/swift-collections", from: "1.6.0"),
    ],
    targets: [
        // The vocabulary and the hot path
        .target(name: "Tags", swiftSettings: settings),
        .target(name: "TagStore", dependencies: ["Tags"], swiftSettings: settings),
        .target(name: "WireFormat", dependencies: ["Tags"], swiftSettings: settings),
        .target(
            name: "Publishing", dependencies: ["Tags", "TagStore", "WireFormat", .logging, .collections],
            swiftSettings: settings),

        // Tests
        .testTarget(name: "TagsTests", dependencies: ["Tags"], swiftSettings: settings),
        .testTarget(name: "TagStoreTests", dependencies: ["TagStore", "Tags"], swiftSettings: settings),
        .testTarget(name: "WireFormatTests", dependencies: ["WireFormat", "Tags"], swiftSettings: settings),
        .testTarget(
            name: "PublishingTests",
            dependencies: ["Publishing", "Tags", "TagStore", "WireFormat", .logging], swiftSettings: settings),
    ],
    swiftLanguageModes: [.v6]
)
