import CMosquitto
import Glibc
import Outbox
import TLS

/// What libmosquitto tells from its callbacks, in order.
enum BrokerEvent {
    /// CONNACK with its code, and what the broker said of its limits.
    case connected(code: Int32, limits: BrokerLimits)
    case disconnected(code: Int32)
    /// A QoS 1 or 2 publish was acknowledged, or a QoS 0 publish was written; the reason is 0 on MQTT 3.1.1.
    case published(id: Int32, reason: Int32)
}

/// One connection of libmosquitto, used by one thread. It never reconnects: after any error it is thrown away.
///
/// Owns the `mosquitto` handle. Callbacks run inside `read`, `write` and `housekeeping` on the same thread, find this
/// object by its unretained address (it outlives the handle, which its deinit destroys) and only take a note.
@safe final class MosquittoClient {
    private let handle: OpaquePointer
    /// Held so that the SSL_CTX outlives the handle.
    private let tls: ClientTLSContext?
    private var events: [BrokerEvent] = []
    private var isVersion5 = false

    /// The library wants to be initialised before anything else, once.
    private static let library: Int32 = mosquitto_lib_init()

    /// - Parameter will: the configured one, as the broker takes it.
    init(
        options: MQTTAgentOptions, version: ConnectionAttempts.Version, will: MQTTNotice?, tls: ClientTLSContext?
    ) throws(BrokerLoss) {
        guard MosquittoClient.library == MOSQ_ERR_SUCCESS.rawValue else {
            throw BrokerLoss(.network, "the MQTT library cannot be initialised")
        }
        guard let handle = unsafe mosquitto_new(options.clientID, true, nil) else {
            throw BrokerLoss(.network, "no memory for a connection")
        }
        unsafe self.handle = handle
        self.tls = tls
        unsafe mosquitto_user_data_set(handle, Unmanaged.passUnretained(self).toOpaque())
        try configure(options, version, will)
        setCallbacks()
    }

    deinit {
        unsafe mosquitto_destroy(handle)
    }

    private func configure(
        _ options: MQTTAgentOptions, _ version: ConnectionAttempts.Version, _ will: MQTTNotice?
    ) throws(BrokerLoss) {
        let number = version == .v5 ? MQTT_PROTOCOL_V5 : MQTT_PROTOCOL_V311
        try check(unsafe mosquitto_int_option(handle, MOSQ_OPT_PROTOCOL_VERSION, number), "protocol version")
        try check(unsafe mosquitto_int_option(handle, MOSQ_OPT_TCP_NODELAY, 1), "TCP_NODELAY")
        isVersion5 = version == .v5
        if isVersion5 {
            // The window is ours; the library would queue what comes beyond its own.
            try check(
                unsafe mosquitto_int_option(handle, MOSQ_OPT_SEND_MAXIMUM, Int32(OutboxQueue.window)), "window")
        }
        if let username = options.username {
            let password = options.password.map { String(decoding: $0.bytes, as: UTF8.self) }
            try check(unsafe mosquitto_username_pw_set(handle, username, password), "user name and password")
        }
        if let will {
            let payload = Array(will.message.utf8)
            try check(
                unsafe mosquitto_will_set_v5(
                    handle, will.topic, Int32(payload.count), payload, will.qos.rawValue, will.retain, nil),
                "last will")
        }
        if let tls {
            try check(unsafe mosquitto_int_option(handle, MOSQ_OPT_SSL_CTX_WITH_DEFAULTS, 0), "TLS defaults")
            let code = unsafe tls.withUnsafeContext { context in
                unsafe mosquitto_void_option(handle, MOSQ_OPT_SSL_CTX, UnsafeMutableRawPointer(context))
            }
            try check(code, "TLS context")
        }
    }

    private func setCallbacks() {
        unsafe mosquitto_connect_v5_callback_set(handle) { _, object, code, _, properties in
            unsafe MosquittoClient.note(
                .connected(code: code, limits: MosquittoClient.limits(properties)), object)
        }
        unsafe mosquitto_disconnect_v5_callback_set(handle) { _, object, code, _ in
            unsafe MosquittoClient.note(.disconnected(code: code), object)
        }
        unsafe mosquitto_publish_v5_callback_set(handle) { _, object, id, reason, _ in
            unsafe MosquittoClient.note(.published(id: id, reason: reason), object)
        }
    }

    private static func limits(_ properties: OpaquePointer?) -> BrokerLimits {
        var limits = BrokerLimits()
        var short: UInt16 = 0
        var long: UInt32 = 0
        var byte: UInt8 = 0
        if unsafe mosquitto_property_read_int16(
            properties, Int32(MQTT_PROP_RECEIVE_MAXIMUM.rawValue), &short, false) != nil
        {
            limits.receiveMaximum = short
        }
        if unsafe mosquitto_property_read_int32(
            properties, Int32(MQTT_PROP_MAXIMUM_PACKET_SIZE.rawValue), &long, false) != nil
        {
            limits.packetSize = long
        }
        if unsafe mosquitto_property_read_byte(properties, Int32(MQTT_PROP_MAXIMUM_QOS.rawValue), &byte, false) != nil {
            limits.maximumQoS = byte
        }
        if unsafe mosquitto_property_read_byte(
            properties, Int32(MQTT_PROP_RETAIN_AVAILABLE.rawValue), &byte, false) != nil
        {
            limits.retains = byte != 0
        }
        return limits
    }

    private static func note(_ event: BrokerEvent, _ object: UnsafeMutableRawPointer?) {
        guard let object = unsafe object else { return }
        unsafe Unmanaged<MosquittoClient>.fromOpaque(object).takeUnretainedValue().events.append(event)
    }

    /// What happened since the last call.
    func takeEvents() -> [BrokerEvent] {
        defer { events.removeAll(keepingCapacity: true) }
        return events
    }

    /// Begins to connect. Blocks for the name look-up only.
    func connect(to broker: BrokerURL, keepalive: Duration) throws(BrokerLoss) {
        let seconds = Int32(clamping: keepalive.components.seconds)
        let code = unsafe mosquitto_connect_bind_async(
            handle, broker.host, Int32(broker.port), max(5, seconds), nil)
        try check(code, "connecting to \(broker)")
        // A peer that vanished without a word must not hold unacknowledged data for longer than the keepalive.
        var timeout = UInt32(clamping: Int64(max(5, seconds)) * 1500)
        _ = unsafe setsockopt(
            socket, Int32(IPPROTO_TCP), TCP_USER_TIMEOUT, &timeout, socklen_t(MemoryLayout<UInt32>.size))
        // A broker has little to say to who only publishes, and the library reads a packet for as long as bytes are there: with
        // a small buffer it pauses, and what was sent can be counted before it has filled the memory.
        var size: Int32 = 64 << 10
        _ = unsafe setsockopt(socket, SOL_SOCKET, SO_RCVBUF, &size, socklen_t(MemoryLayout<Int32>.size))
    }

    /// -1 when there is none.
    var socket: Int32 { unsafe mosquitto_socket(handle) }
    var wantsToWrite: Bool { unsafe mosquitto_want_write(handle) }

    func read() throws(BrokerLoss) {
        try check(unsafe mosquitto_loop_read(handle, 1), "reading")
        // Mosquitto leaves Nagle's algorithm on: the next acknowledgements wait at the broker until the system has confirmed
        // these, which it puts off by up to 40 ms while nothing is sent. The kernel forgets this setting by itself.
        var yes: Int32 = 1
        _ = unsafe setsockopt(socket, Int32(IPPROTO_TCP), TCP_QUICKACK, &yes, socklen_t(MemoryLayout<Int32>.size))
    }
    func write() throws(BrokerLoss) { try check(unsafe mosquitto_loop_write(handle, 1), "writing") }
    /// Pings and notices a dead peer; to be called every second.
    func housekeeping() throws(BrokerLoss) { try check(unsafe mosquitto_loop_misc(handle), "keeping alive") }

    enum PublishOutcome {
        /// The acknowledgement comes as `.published` with this id.
        case accepted(id: Int32)
        /// This message cannot be sent; the connection is not the trouble.
        case refused(MessageRefusal)
    }

    /// Hands a message over.
    func publish(
        _ payload: ArraySlice<UInt8>, topic: String, qos: MQTTQoS, retain: Bool, properties: PublishProperties? = nil
    ) throws(BrokerLoss) -> PublishOutcome {
        var id: Int32 = 0
        var list: OpaquePointer?
        defer { unsafe mosquitto_property_free_all(&list) }
        if isVersion5, let properties {
            for (name, text) in properties.pairs {
                // Lent as they are: handed over as arguments they would be copied first.
                let code = unsafe name.withCString { name in
                    unsafe text.withCString { text in
                        unsafe mosquitto_property_add_string_pair(
                            &list, Int32(MQTT_PROP_USER_PROPERTY.rawValue), name, text)
                    }
                }
                try check(code, "naming a message")
            }
        }
        let properties = unsafe list
        let code = unsafe payload.withUnsafeBytes { bytes in
            unsafe topic.withCString { topic in
                unsafe mosquitto_publish_v5(
                    handle, &id, topic, Int32(clamping: bytes.count), bytes.baseAddress, qos.rawValue, retain,
                    properties)
            }
        }
        switch mosq_err_t(rawValue: code) {
        case MOSQ_ERR_OVERSIZE_PACKET, MOSQ_ERR_PAYLOAD_SIZE:
            return .refused(MessageRefusal(tooLarge: payload.count))
        case MOSQ_ERR_INVAL, MOSQ_ERR_MALFORMED_UTF8, MOSQ_ERR_QOS_NOT_SUPPORTED, MOSQ_ERR_RETAIN_NOT_SUPPORTED:
            return .refused(MessageRefusal(unsupported: unsafe String(cString: mosquitto_strerror(code))))
        default: try check(code, "publishing to \(topic)")
        }
        return .accepted(id: id)
    }

    /// On the socket since it was connected, TLS included.
    var bytesReceived: Int { Int(clamping: sallyport_bytes_received(socket)) }

    /// Written, and not at the other side.
    var bytesUnsent: Int {
        var count: Int32 = 0
        return unsafe ioctl(socket, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : 0
    }

    /// Says goodbye, so that the broker does not send the last will.
    func disconnect() throws(BrokerLoss) {
        try check(unsafe mosquitto_disconnect_v5(handle, 0, nil), "disconnecting")
    }

    private func check(_ code: Int32, _ doing: String) throws(BrokerLoss) {
        switch mosq_err_t(rawValue: code) {
        case MOSQ_ERR_SUCCESS, MOSQ_ERR_CONN_PENDING: return
        case MOSQ_ERR_TLS:
            throw BrokerLoss(.tls, tls?.takeFailure() ?? "\(doing): the TLS connection failed; the broker refused it")
        case MOSQ_ERR_EAI:
            throw BrokerLoss(.network, "\(doing): the host name was not found")
        case MOSQ_ERR_ERRNO:
            let number = errno
            throw BrokerLoss(.network, "\(doing): \(unsafe String(cString: strerror(number)))")
        case MOSQ_ERR_KEEPALIVE:
            throw BrokerLoss(.network, "\(doing): the broker did not answer within the keepalive")
        case MOSQ_ERR_PROTOCOL, MOSQ_ERR_MALFORMED_PACKET, MOSQ_ERR_MALFORMED_UTF8:
            throw BrokerLoss(.protocolError, "\(doing): the broker broke the MQTT protocol")
        case MOSQ_ERR_CONN_LOST, MOSQ_ERR_NO_CONN:
            throw BrokerLoss(.network, "\(doing): the connection is lost")
        default:
            throw BrokerLoss(.network, "\(doing): \(unsafe String(cString: mosquitto_strerror(code)))")
        }
    }
}
