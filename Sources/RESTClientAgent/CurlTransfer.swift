import CCurl
import Glibc
import Outbox
import TLS

/// A request of libcurl's, used again for one message after the other by one thread.
///
/// Owns the `CURL`. Callbacks run inside `CurlMulti.perform` on the same thread and find this object by its unretained
/// address: it outlives the handle, which its deinit cleans up.
@safe final class CurlTransfer {
    let handle: UnsafeMutableRawPointer
    private let options: RESTClientAgentOptions
    private let errorText: UnsafeMutablePointer<CChar>
    /// Those that every request has. The last one is linked with those of the message, which are a list of their own.
    private var headers: UnsafeMutablePointer<curl_slist>?
    private var lastHeader: UnsafeMutablePointer<curl_slist>?
    private var messageHeaders: UnsafeMutablePointer<curl_slist>?
    private var reader = ReplyReader()
    /// Of the last handshake.
    private var rules: ClientTLSRules?
    private var tlsProblem: String?

    private(set) var message: OutboxMessage?
    private(set) var started = ContinuousClock.now
    /// Bytes of the message.
    private(set) var size = 0

    init(options: RESTClientAgentOptions) throws(EndpointFailure) {
        guard let handle = unsafe curl_easy_init() else {
            throw EndpointFailure(.network, "no memory for a request")
        }
        unsafe self.handle = handle
        self.options = options
        unsafe errorText = .allocate(capacity: Int(CURL_ERROR_SIZE))
        unsafe errorText.initialize(repeating: 0, count: Int(CURL_ERROR_SIZE))
        try configure()
    }

    deinit {
        unsafe curl_easy_cleanup(handle)
        unsafe lastHeader?.pointee.next = nil
        unsafe curl_slist_free_all(headers)
        unsafe curl_slist_free_all(messageHeaders)
        unsafe errorText.deallocate()
    }

    // MARK: What is the same for all messages

    private func configure() throws(EndpointFailure) {
        try set(CURLOPT_URL, options.endpoint.absolute)
        try set(CURLOPT_PROTOCOLS_STR, "http,https")
        try set(CURLOPT_PATH_AS_IS, 1)
        try set(CURLOPT_FOLLOWLOCATION, 0)
        try set(CURLOPT_NOSIGNAL, 1)
        // A name server that is silent must hold up no stop.
        try set(CURLOPT_QUICK_EXIT, 1)
        try set(CURLOPT_TCP_KEEPALIVE, 1)
        try set(CURLOPT_USERAGENT, "Sallyport")
        try set(CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_2TLS)
        // A second request waits to see whether the connection takes several at once.
        try set(CURLOPT_PIPEWAIT, 1)
        try set(CURLOPT_HTTP_CONTENT_DECODING, 0)
        try set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1)
        // The environment has no say: an empty proxy is none, and what is excepted from it is ours to tell as well.
        try set(CURLOPT_PROXY, options.proxy?.absolute ?? "")
        if let proxy = options.proxy { try set(CURLOPT_PROXYPORT, Int(proxy.port)) }
        try set(CURLOPT_NOPROXY, options.proxy == nil ? "*" : "")
        try set(CURLOPT_POST, 1)
        if options.method == .put { try set(CURLOPT_CUSTOMREQUEST, "PUT") }
        let milliseconds = CurlTransfer.milliseconds(options.timeout)
        try set(CURLOPT_CONNECTTIMEOUT_MS, milliseconds)
        try set(CURLOPT_LOW_SPEED_LIMIT, 1)
        try set(CURLOPT_LOW_SPEED_TIME, max(1, (milliseconds + 999) / 1000))
        try setCredentials()
        if options.endpoint.usesTLS { try setTLS() }
        try makeHeaders()
        let this = unsafe Unmanaged.passUnretained(self).toOpaque()
        try check(unsafe sallyport_curl_set_pointer(handle, CURLOPT_ERRORBUFFER, errorText))
        let code = unsafe sallyport_curl_set_reader(
            handle, { unsafe CurlTransfer.header($0, $1 * $2, $3) }, { unsafe CurlTransfer.body($0, $1 * $2, $3) }, this
        )
        try check(code)
    }

    private func setCredentials() throws(EndpointFailure) {
        switch options.credentials {
        case .none: return
        case .basic(let username, let password):
            try set(CURLOPT_HTTPAUTH, CurlTransfer.basic)
            try set(CURLOPT_USERNAME, username)
            try set(CURLOPT_PASSWORD, String(decoding: password.bytes, as: UTF8.self))
        case .bearer(let token):
            try set(CURLOPT_HTTPAUTH, CurlTransfer.bearer)
            try set(CURLOPT_XOAUTH2_BEARER, String(decoding: token.bytes, as: UTF8.self))
        }
    }

    // CURLAUTH_BASIC and CURLAUTH_BEARER, which are macros with casts.
    private static let basic = 1 << 0
    private static let bearer = 1 << 6

    private func setTLS() throws(EndpointFailure) {
        try set(CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2)
        try set(CURLOPT_CA_CACHE_TIMEOUT, 0)
        try set(CURLOPT_SSL_SESSIONID_CACHE, 0)
        // The verdict is that of our rules, which also know the host: libcurl's own look at the name would be a looser one.
        try set(CURLOPT_SSL_VERIFYPEER, 1)
        try set(CURLOPT_SSL_VERIFYHOST, 0)
        // Whom to trust is told by the rules alone.
        try check(unsafe sallyport_curl_set_text(handle, CURLOPT_CAINFO, nil))
        try check(unsafe sallyport_curl_set_text(handle, CURLOPT_CAPATH, nil))
        let this = unsafe Unmanaged.passUnretained(self).toOpaque()
        try check(
            unsafe sallyport_curl_set_tls_setup(
                handle,
                { _, context, transfer in
                    guard let context = unsafe context, let transfer = unsafe transfer else {
                        return CURLE_SSL_CONNECT_ERROR
                    }
                    let this = unsafe Unmanaged<CurlTransfer>.fromOpaque(transfer).takeUnretainedValue()
                    return unsafe this.prepareTLS(OpaquePointer(context))
                }, this))
    }

    /// The files are read for each connection, so that a mended one is enough.
    private func prepareTLS(_ context: OpaquePointer) -> CURLcode {
        do throws(TLSError) {
            let rules = try ClientTLSRules(options: options.tls, host: options.endpoint.host)
            try unsafe rules.apply(to: context)
            self.rules = rules
            return CURLE_OK
        } catch {
            tlsProblem = error.description
            return CURLE_SSL_CONNECT_ERROR
        }
    }

    // MARK: One message

    /// What a line that is slow, but gives no trouble, takes at least.
    private static let slowestLine = 16 << 10

    /// Makes it a request with this message.
    func prepare(_ message: OutboxMessage) throws(EndpointFailure) {
        self.message = message
        reader = ReplyReader()
        rules = nil
        tlsProblem = nil
        unsafe errorText.pointee = 0
        let payload = message.payload(gateway: options.gateway, agent: options.name)
        size = payload.count
        let forTransport = payload.count / CurlTransfer.slowestLine * 1000
        try set(CURLOPT_TIMEOUT_MS, CurlTransfer.milliseconds(options.timeout) + forTransport)
        try setHeaders(message.identity(gateway: options.gateway, agent: options.name))
        try check(unsafe payload.withUnsafeBytes { unsafe sallyport_curl_set_body(handle, $0.baseAddress, $0.count) })
    }

    private func makeHeaders() throws(EndpointFailure) {
        // Without a colon's value libcurl sends no such header: it would wait for a 100 before a large body.
        var lines = ["Expect:", "Content-Type: \(options.mediaType)"]
        lines += options.headers.map { "\($0.name): \(String(decoding: $0.value.bytes, as: UTF8.self))" }
        for line in lines { unsafe headers = try CurlTransfer.append(line, to: headers) }
        unsafe lastHeader = headers
        while let next = unsafe lastHeader?.pointee.next { unsafe lastHeader = next }
    }

    private func setHeaders(_ identity: DeliveryIdentity) throws(EndpointFailure) {
        unsafe lastHeader?.pointee.next = nil
        unsafe curl_slist_free_all(messageHeaders)
        unsafe messageHeaders = nil
        for field in IdentityHeaders.fields(identity) {
            unsafe messageHeaders = try CurlTransfer.append(field.name + ": " + field.value, to: messageHeaders)
        }
        unsafe lastHeader?.pointee.next = messageHeaders
        try check(unsafe sallyport_curl_set_headers(handle, headers))
    }

    private static func append(
        _ header: String, to list: UnsafeMutablePointer<curl_slist>?
    ) throws(EndpointFailure) -> UnsafeMutablePointer<curl_slist> {
        guard let longer = unsafe header.withCString({ unsafe curl_slist_append(list, $0) }) else {
            throw EndpointFailure(.network, "no memory for a request")
        }
        return unsafe longer
    }

    /// The request begins.
    func start(at now: ContinuousClock.Instant) { started = now }

    /// The request is over, or was given up: it is ready for another message.
    func takeMessage() -> OutboxMessage? {
        defer { message = nil }
        return message
    }

    // MARK: The answer

    private static func of(_ user: UnsafeMutableRawPointer?) -> CurlTransfer? {
        guard let user = unsafe user else { return nil }
        return unsafe Unmanaged<CurlTransfer>.fromOpaque(user).takeUnretainedValue()
    }

    private static func header(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ user: UnsafeMutableRawPointer?
    ) -> Int {
        guard let this = unsafe of(user) else { return 0 }
        return unsafe this.reader.header(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }

    private static func body(
        _ bytes: UnsafeMutablePointer<CChar>?, _ count: Int, _ user: UnsafeMutableRawPointer?
    ) -> Int {
        guard let this = unsafe of(user) else { return 0 }
        return unsafe this.reader.body(UnsafeRawBufferPointer(start: bytes, count: count)) ? count : 0
    }

    /// What came of the request. An answer counts from the end of its headers on: what is wrong behind them changes nothing
    /// about what the endpoint has done.
    func result(_ code: CURLcode) -> DeliveryPolicy.Result {
        if let reply = reader.decision { return .reply(reply) }
        if code == CURLE_OK { return .failure(EndpointFailure(.protocolError, "the answer has no status")) }
        return .failure(failure(code))
    }

    /// "1.1" or "2", nil without an answer.
    var httpVersion: String? {
        switch unsafe sallyport_curl_number(handle, CURLINFO_HTTP_VERSION) {
        case CURL_HTTP_VERSION_1_0: "1.0"
        case CURL_HTTP_VERSION_1_1: "1.1"
        case CURL_HTTP_VERSION_2_0: "2"
        default: nil
        }
    }

    /// The message is with the system, to its last byte.
    var isSent: Bool { unsafe sallyport_curl_size(handle, CURLINFO_SIZE_UPLOAD_T) >= size }

    /// How many connections the request has made.
    var newConnections: Int { unsafe max(0, sallyport_curl_number(handle, CURLINFO_NUM_CONNECTS)) }

    private func failure(_ code: CURLcode) -> EndpointFailure {
        let text =
            unsafe errorText.pointee != 0 ? String(cString: errorText) : String(cString: curl_easy_strerror(code))
        let target = "\(options.endpoint)"
        let proxyAnswer = unsafe sallyport_curl_number(handle, CURLINFO_HTTP_CONNECTCODE)
        if proxyAnswer >= 300 {
            return EndpointFailure(.proxy, "the proxy lets nothing through to \(target): it answers \(proxyAnswer)")
        }
        switch code {
        case CURLE_COULDNT_RESOLVE_HOST: return EndpointFailure(.network, "\(target): the host name was not found")
        case CURLE_COULDNT_RESOLVE_PROXY:
            return EndpointFailure(.network, "\(target): the name of the proxy was not found")
        case CURLE_COULDNT_CONNECT:
            let number = unsafe Int32(clamping: sallyport_curl_number(handle, CURLINFO_OS_ERRNO))
            let reason = number == 0 ? text : unsafe String(cString: strerror(number))
            let peer = options.proxy.map { "the proxy \($0)" } ?? target
            return EndpointFailure(.network, "connecting to \(peer): \(reason)")
        case CURLE_OPERATION_TIMEDOUT:
            let phase =
                unsafe sallyport_curl_size(handle, CURLINFO_PRETRANSFER_TIME_T) > 0
                ? "\(target) did not answer in time" : "\(target): no connection came about in time"
            return EndpointFailure(.network, phase)
        case CURLE_SSL_CONNECT_ERROR, CURLE_PEER_FAILED_VERIFICATION, CURLE_SSL_CERTPROBLEM, CURLE_SSL_CIPHER,
            CURLE_SSL_CACERT_BADFILE, CURLE_USE_SSL_FAILED:
            return EndpointFailure(.tls, tlsProblem ?? rules?.takeFailure() ?? "the TLS connection failed: \(text)")
        case CURLE_WRITE_ERROR where reader.isTooLong:
            return EndpointFailure(.protocolError, "\(target) sends more headers than anybody needs")
        case CURLE_WEIRD_SERVER_REPLY, CURLE_UNSUPPORTED_PROTOCOL, CURLE_HTTP2, CURLE_HTTP2_STREAM,
            CURLE_BAD_CONTENT_ENCODING:
            return EndpointFailure(.protocolError, "\(target) does not answer in HTTP: \(text)")
        case CURLE_GOT_NOTHING, CURLE_SEND_ERROR, CURLE_RECV_ERROR, CURLE_PARTIAL_FILE:
            // After a handshake of TLS 1.3 the endpoint's refusal of our certificate comes in place of an answer.
            if let reason = rules?.takeFailure() { return EndpointFailure(.tls, reason) }
            return EndpointFailure(.network, "\(target) ended the connection without an answer")
        default: return EndpointFailure(.network, "\(target): \(text)")
        }
    }

    // MARK: Options

    private static func milliseconds(_ duration: Duration) -> Int {
        let (seconds, attoseconds) = duration.components
        return max(1, Int(clamping: seconds) * 1000 + Int(attoseconds / 1_000_000_000_000_000))
    }

    private func set(_ option: CURLoption, _ text: String) throws(EndpointFailure) {
        try check(unsafe sallyport_curl_set_text(handle, option, text))
    }

    private func set(_ option: CURLoption, _ number: Int) throws(EndpointFailure) {
        try check(unsafe sallyport_curl_set_number(handle, option, number))
    }

    private func check(_ code: CURLcode) throws(EndpointFailure) {
        guard code != CURLE_OK else { return }
        throw EndpointFailure(
            .network, "the HTTP library refuses an option: \(unsafe String(cString: curl_easy_strerror(code)))")
    }
}
