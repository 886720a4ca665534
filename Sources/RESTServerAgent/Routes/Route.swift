import Glibc
import NIOHTTP1
import SecurityPolicy

/// One path with what it takes to use it. The permission is part of the handler's shape: a route cannot be made without
/// one, and its handler gets to see no more than that permission lets it.
struct Route: Sendable {
    enum Access: Sendable {
        /// Answers anybody; sees neither tags nor principals.
        case open(@Sendable () -> Reply)
        /// Needs a principal; sees no tags.
        case signedIn(@Sendable (ServerRequest) -> Reply)
        /// Needs a principal with this permission, which is not about tags; sees no tags.
        case gateway(GatewayPermission, @Sendable (ServerRequest) -> Reply)
        /// Needs a principal, and sees the tags on which that may do this.
        case tags(TagAction, @Sendable (ServerRequest, TagView) async -> Reply)
        /// Needs a principal, and is sent, for as long as that holds, the tags on which it may do this: the handler gets a
        /// subscriber, through which they are seen anew each time.
        case events(TagAction, @Sendable (ServerRequest, Subscriber) -> Reply)
        /// Needs a principal, and writes as that through the arbiter, which decides each write. Sees no tags.
        case writes(@Sendable (ServerRequest, WriteAccess) async -> Reply)
    }

    let path: String
    /// What it is for, a method each; the route takes these methods and no others.
    let operations: [Operation]
    let access: Access
    /// For `tags`: answers where it can without waiting, with the same view; nil: the handler has to be asked.
    var atOnce: (@Sendable (ServerRequest, TagView) -> Reply?)?

    init(
        path: String, operations: [Operation], access: Access,
        atOnce: (@Sendable (ServerRequest, TagView) -> Reply?)? = nil
    ) {
        self.path = path
        self.operations = operations
        self.access = access
        self.atOnce = atOnce
        methods = operations.map(\.method)
    }

    let methods: [HTTPMethod]

    /// For `Allow`. HEAD goes wherever GET does.
    var allow: String {
        methods.flatMap { $0 == .GET ? ["GET", "HEAD"] : [$0.rawValue] }.joined(separator: ", ")
    }

    func takes(_ method: HTTPMethod) -> Bool { methods.contains(method == .HEAD ? .GET : method) }

    /// Whether this is the path, byte for byte.
    func isAt(_ path: UnsafeBufferPointer<UInt8>) -> Bool {
        let own = self.path.utf8
        guard own.count == path.count else { return false }
        return own.withContiguousStorageIfAvailable { own in
            guard let one = own.baseAddress, let other = path.baseAddress else { return true }
            return memcmp(one, other, path.count) == 0
        } ?? own.elementsEqual(path)
    }
}
