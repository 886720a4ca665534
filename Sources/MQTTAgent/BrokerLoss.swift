/// Why there is no connection to the broker: what the log, the status and the next attempt depend on.
package struct BrokerLoss: Error, Sendable, Equatable, CustomStringConvertible {
    package enum Kind: String, Sendable {
        /// Name not found, nothing listens, reset, silence: the network's or the broker's trouble, soon over.
        case network
        /// The certificate was not accepted, by us or by the broker.
        case tls
        /// The broker does not speak this version of MQTT.
        case protocolVersion = "protocol-version"
        /// User or password are wrong, or the account may not connect: trying again soon does not help.
        case credentials
        /// The broker is busy, shuts down, or refuses for another reason.
        case refused
        /// The broker does not do the last will's QoS, or keeps no messages: it says so to whom asks for it.
        case willQoS = "will-qos"
        case willRetain = "will-retain"
        /// Another client connected with our client id.
        case takenOver = "taken-over"
        /// The broker broke the protocol.
        case protocolError = "protocol-error"
    }

    package let kind: Kind
    package let reason: String

    package init(_ kind: Kind, _ reason: String) {
        self.kind = kind
        self.reason = reason
    }

    package var description: String { reason }
}

extension BrokerLoss {
    /// What a CONNACK that is not zero means. MQTT 5 (§3.2.2.2) has codes from 0x80, 3.1.1 (§3.2.2.3) 1 to 5.
    static func refusal(connack code: Int32) -> BrokerLoss {
        switch code {
        case 1, 0x84: BrokerLoss(.protocolVersion, "the broker does not speak this version of MQTT")
        case 2, 0x85: BrokerLoss(.credentials, "the broker refuses the client id")
        case 4, 0x86: BrokerLoss(.credentials, "the broker refuses the user name or password")
        case 5, 0x87: BrokerLoss(.credentials, "the broker does not allow this account to connect")
        case 0x8A: BrokerLoss(.credentials, "the broker has banned this client")
        case 3, 0x88: BrokerLoss(.refused, "the broker says that it is unavailable")
        case 0x89: BrokerLoss(.refused, "the broker says that it is busy")
        case 0x97: BrokerLoss(.refused, "the broker says that a quota is exceeded")
        case 0x9A: BrokerLoss(.willRetain, "the broker keeps no messages, and the last will asks for it")
        case 0x9B: BrokerLoss(.willQoS, "the broker does not do the last will's QoS")
        case 0x9F: BrokerLoss(.refused, "the broker says that connections come too fast")
        default: BrokerLoss(.refused, "the broker refuses the connection, code \(code)")
        }
    }

    /// Not every broker says why it ends a connection: mosquitto 2.0 closes without a word when another client comes with
    /// the same client id.
    static func thrownOut(_ loss: BrokerLoss) -> BrokerLoss {
        BrokerLoss(
            .takenOver,
            "\(loss.reason), again and again soon after connecting; does another client use the same client id?")
    }

    /// What the end of a connection means: a DISCONNECT of an MQTT 5 broker (§3.14.2.1) has codes from 0x80, smaller ones
    /// are the library's own.
    static func disconnection(code: Int32) -> BrokerLoss {
        switch code {
        case ..<0x80: BrokerLoss(.network, "the connection is lost")
        case 0x8B: BrokerLoss(.refused, "the broker shuts down")
        case 0x8E:
            BrokerLoss(
                .takenOver, "another client connected with the same client id; give each gateway its own client-id")
        case 0x87: BrokerLoss(.credentials, "the broker ended the connection: not authorised")
        case 0x8D: BrokerLoss(.network, "the broker heard nothing within the keepalive")
        case 0x95: BrokerLoss(.refused, "the broker ended the connection: a message was too large")
        default: BrokerLoss(.refused, "the broker ended the connection, code \(code)")
        }
    }
}
