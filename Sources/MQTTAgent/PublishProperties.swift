import Outbox

/// What identifies a message, as MQTT 5 user properties.
struct PublishProperties {
    let pairs: [(name: String, text: String)]

    init(_ identity: DeliveryIdentity) {
        pairs = identity.fields
    }

    /// Bytes of the packet beside its payload, at the most: fixed header, topic, packet id, properties.
    func packetOverhead(topic: String) -> Int {
        pairs.reduce(5 + 2 + topic.utf8.count + 2 + 4) { $0 + 5 + $1.name.utf8.count + $1.text.utf8.count }
    }
}
