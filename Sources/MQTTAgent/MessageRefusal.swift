/// Why one message was not taken, although the connection stands.
package struct MessageRefusal: Sendable, Equatable, CustomStringConvertible {
    package let description: String
    /// The same message may be taken later.
    package let isPassing: Bool
    /// A broker that says no more than this may be in trouble, or may not like this one message.
    package let isUnexplained: Bool
    /// Its events may be taken in smaller messages.
    package let isTooLarge: Bool
    /// The account may not write the topic: where it may write none, every message would be refused.
    package let isForbidden: Bool

    /// What a PUBACK of MQTT 5 that is 0x80 or more means (§3.4.2.1).
    init(reason: Int32) {
        isTooLarge = reason == 0x95
        isForbidden = reason == 0x87
        isUnexplained = reason == 0x80 || reason == 0x83
        switch reason {
        case 0x95: (description, isPassing) = ("a message is larger than the broker takes; lower max-events", false)
        case 0x80, 0x83: (description, isPassing) = ("refused without a reason (code \(reason))", true)
        case 0x97: (description, isPassing) = ("a quota of the broker is exceeded", true)
        case 0x87:
            (description, isPassing) = ("the broker's access rules do not let this account write the topic", false)
        case 0x90: (description, isPassing) = ("the broker does not accept the topic", false)
        case 0x99: (description, isPassing) = ("the broker does not accept the payload's format", false)
        default: (description, isPassing) = ("refused with code \(reason)", false)
        }
    }

    init(tooLarge bytes: Int) {
        description = "a message of \(bytes) bytes is larger than the broker takes; lower max-events"
        isPassing = false
        isUnexplained = false
        isForbidden = false
        isTooLarge = true
    }

    init(unsupported reason: String) {
        description = reason
        isPassing = false
        isUnexplained = false
        isForbidden = false
        isTooLarge = false
    }
}
