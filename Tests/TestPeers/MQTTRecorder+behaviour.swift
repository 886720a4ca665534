extension MQTTRecorder {
    /// What the broker does to its clients. Limits count for the connections made after they were set, the rest at once.
    package struct Behaviour: Sendable {
        // What it says when a client connects.

        /// 0 accepts; codes are those of MQTT 5, and translated for 3.1.1. Anything else is followed by a close.
        package var connackCode: UInt8 = 0
        package var receiveMaximum: Int?
        /// Bytes of a whole packet.
        package var maximumPacketSize: Int?
        package var maximumQoS: UInt8 = 2
        package var retainAvailable = true
        package var topicAliasMaximum = 0
        /// A second connection with a client's identifier ends the first, with 0x8E.
        package var takesSessionOver = true
        /// Accepts the TCP connection, reads, and says nothing at all.
        package var silentAfterConnect = false
        /// Sent behind a CONNACK.
        package var garbageAfterConnect: [UInt8]?
        /// Behind a CONNACK comes a PUBLISH of so many bytes, whatever the client allows; on topic `recorder/huge`.
        package var hugePublish: Int?

        // What it does with what is published.

        package var acknowledge = Acknowledge.yes
        package var disconnectAfter: Disconnection?
        /// A longer payload ends the connection, with 0x95, although no limit was told; it is not recorded.
        package var largestPayload: Int?

        package init() {}
    }

    /// How a PUBLISH is answered that has been recorded: PUBACK, or PUBREC for QoS 2.
    package enum Acknowledge: Sendable {
        case yes
        case never
        /// A reason code, which only MQTT 5 has, for topics with such a part, or for all; the others get a yes.
        case reason(UInt8, topicsContaining: String? = nil)
        /// What comes meanwhile is recorded, and answered when its own time comes.
        case delayed(Duration)
        /// Collects so many and sends them last first; fewer after half a second in which none came.
        case reversed(batchOf: Int)
        /// Twice.
        case duplicated
        /// For a packet that never was, then for the right one.
        case unknownIDs
    }

    /// Ends each connection once.
    package struct Disconnection: Sendable {
        package enum Ending: Sendable {
            /// DISCONNECT with a reason code; a bare close with 3.1.1, which has none from a server.
            case disconnect(UInt8)
            case close
            /// RST.
            case reset
        }

        /// Counted on the connection. The last is recorded and not acknowledged; with 0, nothing is read after CONNECT.
        package var publishes: Int
        package var ending: Ending

        package init(publishes: Int, ending: Ending) {
            self.publishes = publishes
            self.ending = ending
        }
    }

    package struct Counters: Sendable {
        /// One for each TCP connection that was accepted, the first 100 000.
        package var attempts: [ContinuousClock.Instant] = []
        /// CONNECT packets that were answered with 0.
        package var connections = 0
        /// Recorded.
        package var publishes = 0
        /// PUBACK or PUBREC with success, one for each PUBLISH.
        package var acknowledgements = 0
        /// The same with a reason code.
        package var refusals = 0
        /// A client went beyond what CONNACK said: receive maximum, packet size, QoS, retain, aliases.
        package var violations = 0
        /// Anything else that is not MQTT.
        package var malformed = 0
        /// Most PUBLISH packets of one client that waited for their acknowledgement at a time.
        package var largestOutstanding = 0
        /// The file could not be written.
        package var failures = 0

        package init() {}
    }
}
