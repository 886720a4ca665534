package import Outbox
package import Publishing
package import TLS

/// One broker connection, as configured.
package struct MQTTAgentOptions: Sendable, Equatable {
    package enum ProtocolChoice: String, Sendable, CaseIterable {
        /// 5, then 3.1.1 where the broker refuses 5.
        case auto
        case v5 = "5"
        case v3_1_1 = "3.1.1"
    }

    /// The gateway's name, for what identifies its messages.
    package var gateway: String
    package var name: String
    package var broker: BrokerURL
    package var username: String?
    package var password: Secret?
    /// Empty: made once per installation by the coordinator.
    package var clientID: String
    package var protocolChoice: ProtocolChoice
    /// Whole seconds, at least 5.
    package var keepalive: Duration
    package var tls: TLSClientOptions
    /// As configured; where it has variables, `publish.topics` makes the topics.
    package var topic: String
    package var qos: MQTTQoS
    package var retain: Bool
    package var publish: PublishOptions
    package var birth: MQTTNotice?
    package var lastWill: MQTTNotice?
    package var items: [ItemOptions]
    package var outbox: OutboxOptions
    /// Where answers to writes go and where writes come from; only told to the broker's administrator so far.
    package var responseTopic: String?
    package var writeTopic: String?

    package init(
        gateway: String = "sallyport", name: String, broker: BrokerURL, username: String? = nil,
        password: Secret? = nil, clientID: String = "",
        protocolChoice: ProtocolChoice = .auto, keepalive: Duration = .seconds(10), tls: TLSClientOptions = .init(),
        topic: String = "iotgateway", qos: MQTTQoS = .atLeastOnce, retain: Bool = false,
        publish: PublishOptions = .init(), birth: MQTTNotice? = nil, lastWill: MQTTNotice? = nil,
        items: [ItemOptions] = [], outbox: OutboxOptions = .init(),
        responseTopic: String? = nil, writeTopic: String? = nil
    ) {
        self.gateway = gateway
        self.name = name
        self.broker = broker
        self.username = username
        self.password = password
        self.clientID = clientID
        self.protocolChoice = protocolChoice
        self.keepalive = keepalive
        self.tls = tls
        self.topic = topic
        self.qos = qos
        self.retain = retain
        self.publish = publish
        self.birth = birth
        self.lastWill = lastWill
        self.items = items
        self.outbox = outbox
        self.responseTopic = responseTopic
        self.writeTopic = writeTopic
    }
}

/// MQTT's quality of service.
package enum MQTTQoS: Int32, Sendable, Equatable {
    case atMostOnce = 0
    case atLeastOnce = 1
    case exactlyOnce = 2

    /// What is left of it with a broker that does less.
    package func lowered(to most: UInt8?) -> MQTTQoS {
        most.flatMap { MQTTQoS(rawValue: min(rawValue, Int32($0))) } ?? self
    }
}

/// A short message about the connection itself: the birth or the last will.
package struct MQTTNotice: Sendable, Equatable {
    package var topic: String
    package var message: String
    package var qos: MQTTQoS
    package var retain: Bool

    package init(topic: String, message: String, qos: MQTTQoS = .atLeastOnce, retain: Bool = true) {
        self.topic = topic
        self.message = message
        self.qos = qos
        self.retain = retain
    }
}

/// Where a broker listens: `ssl://host:8883` or `tcp://host:1883`; `mqtts://` and `mqtt://` mean the same.
package struct BrokerURL: Sendable, Equatable, CustomStringConvertible {
    package let host: String
    package let port: UInt16
    package let usesTLS: Bool

    package init(host: String, port: UInt16, usesTLS: Bool) {
        self.host = host
        self.port = port
        self.usesTLS = usesTLS
    }

    package var description: String {
        "\(usesTLS ? "ssl" : "tcp")://\(host.contains(":") ? "[\(host)]" : host):\(port)"
    }

    package init(parsing text: String) throws(BrokerURLError) {
        guard let mark = text.range(of: "://") else { throw BrokerURLError.noScheme }
        let scheme = text[..<mark.lowerBound].lowercased()
        switch scheme {
        case "ssl", "mqtts": usesTLS = true
        case "tcp", "mqtt": usesTLS = false
        case "ws", "wss": throw BrokerURLError.webSocket(scheme)
        default: throw BrokerURLError.scheme(scheme)
        }
        var rest = text[mark.upperBound...]
        if rest.hasSuffix("/") { rest.removeLast() }
        if rest.utf8.contains(0x40) { throw BrokerURLError.credentialsInside }
        if rest.contains(where: { "/?#".contains($0) || $0.isWhitespace }) { throw BrokerURLError.trailing }
        var portText: Substring?
        if rest.hasPrefix("[") {
            guard let close = rest.firstIndex(of: "]") else { throw BrokerURLError.noHost }
            host = String(rest[rest.index(after: rest.startIndex)..<close])
            let after = rest[rest.index(after: close)...]
            if !after.isEmpty {
                guard after.hasPrefix(":") else { throw BrokerURLError.trailing }
                portText = after.dropFirst()
            }
        } else if let colon = rest.firstIndex(of: ":") {
            host = String(rest[..<colon])
            portText = rest[rest.index(after: colon)...]
        } else {
            host = String(rest)
        }
        guard !host.isEmpty else { throw BrokerURLError.noHost }
        if let portText {
            guard let number = UInt16(portText), number > 0 else { throw BrokerURLError.port(String(portText)) }
            port = number
        } else {
            port = usesTLS ? 8883 : 1883
        }
    }
}

extension String {
    /// Where `text` first stands, without Foundation.
    fileprivate func range(of text: String) -> Range<String.Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}

/// Why a broker's URL is refused.
package enum BrokerURLError: Error, Equatable, CustomStringConvertible {
    case noScheme
    case scheme(String)
    case webSocket(String)
    case noHost
    case port(String)
    case credentialsInside
    case trailing

    package var description: String {
        switch self {
        case .noScheme: "a broker's URL begins with ssl:// (or tcp:// on loopback), as ssl://broker.example:8883"
        case .scheme(let scheme): "\(scheme):// is not known; use ssl:// (or tcp:// on loopback)"
        case .webSocket(let scheme):
            "\(scheme):// is not possible: the MQTT library has no WebSocket transport; use ssl://"
        case .noHost: "the broker's URL names no host"
        case .port(let text): "\"\(text)\" is not a port; 1 to 65535 are"
        case .credentialsInside: "user and password do not belong into the URL; use username: and password:"
        case .trailing: "nothing may follow the broker's host and port"
        }
    }
}
