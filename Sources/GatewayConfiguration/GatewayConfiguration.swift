package import Drivers
package import MQTTAgent
package import RESTClientAgent
package import RESTServerAgent
package import SecurityPolicy
package import TLS
package import Tags

/// The whole of `gateway.yaml`, checked and typed. Paths are absolute; secrets are read.
package struct GatewayConfiguration: Sendable, Equatable {
    package struct Log: Sendable, Equatable {
        package enum Format: String, Sendable, CaseIterable { case text, json }
        package enum Level: String, Sendable, CaseIterable { case trace, debug, info, notice, warning, error, critical }

        package var level: Level = .info
        package var format: Format = .text
    }

    package var name: String
    package var dataDirectory: String
    package var log = Log()
    package var channels: [ChannelConfiguration] = []
    package var minimumPasswordLength = 14
    package var groups: [GroupOptions] = []
    package var audit = AuditOptions()
    package var auditForwarding = AuditForwarding()
    package var minimumTLSVersion = TLSVersion.v1_2
    package var identities: [TLSIdentityOptions] = []
    package var agents: [AgentConfiguration] = []
    package var acceptedRisks: [AcceptedRisk] = []

    package init(name: String, dataDirectory: String) {
        self.name = name
        self.dataDirectory = dataDirectory
    }
}

/// Where entries of the audit log go besides.
package struct AuditForwarding: Sendable, Equatable {
    /// A receiver of RFC 5424 messages over TLS (RFC 5425).
    package struct Syslog: Sendable, Equatable {
        package var host: String
        package var port: UInt16
        package var tls: TLSClientOptions
        /// Where its `url:` stands.
        package var place: SourcePlace

        package init(host: String, port: UInt16, tls: TLSClientOptions, place: SourcePlace) {
            self.host = host
            self.port = port
            self.tls = tls
            self.place = place
        }

        package static func == (left: Syslog, right: Syslog) -> Bool {
            left.host == right.host && left.port == right.port && left.tls == right.tls
        }
    }

    package var syslog: Syslog?
    /// Appended to, one line of JSON an entry.
    package var file: String?

    package init(syslog: Syslog? = nil, file: String? = nil) {
        self.syslog = syslog
        self.file = file
    }
}

/// One connection to the floor with its devices.
package struct ChannelConfiguration: Sendable, Equatable {
    package enum DriverKind: String, Sendable, CaseIterable {
        case simulator
        case modbusTCP = "modbus-tcp"
    }

    package var name: String
    package var driver: DriverKind
    package var enabled: Bool
    package var devices: [DeviceConfiguration]

    package init(name: String, driver: DriverKind, enabled: Bool = true, devices: [DeviceConfiguration] = []) {
        self.name = name
        self.driver = driver
        self.enabled = enabled
        self.devices = devices
    }
}

/// One controller with its tags, for the driver of its channel.
package struct DeviceConfiguration: Sendable, Equatable {
    package enum Tags: Sendable, Equatable {
        case simulator(SimulatorDeviceOptions, [SimulatorTag])
        case modbus(ModbusDeviceOptions, [ModbusTag])
    }

    package struct SimulatorTag: Sendable, Equatable {
        package var definition: TagDefinition
        package var options: SimulatorTagOptions
    }

    package struct ModbusTag: Sendable, Equatable {
        package var definition: TagDefinition
        package var options: ModbusTagOptions
    }

    package var name: String
    package var enabled: Bool
    /// Disabled tags are left out.
    package var tags: Tags

    package init(name: String, enabled: Bool = true, tags: Tags) {
        self.name = name
        self.enabled = enabled
        self.tags = tags
    }

    /// What the tag store is told, in the order of the driver's tags.
    package var definitions: [TagDefinition] {
        switch tags {
        case .simulator(_, let tags): tags.map(\.definition)
        case .modbus(_, let tags): tags.map(\.definition)
        }
    }
}

/// One agent, enabled or not.
package struct AgentConfiguration: Sendable, Equatable {
    package enum Options: Sendable, Equatable {
        case mqtt(MQTTAgentOptions)
        case restClient(RESTClientAgentOptions)
        case restServer(RESTServerAgentOptions)
    }

    package var name: String
    package var enabled: Bool
    package var options: Options
    /// Where its `- name:` stands, for rules and messages.
    package var place: SourcePlace
    /// Where its `url:` or `bind:` stands.
    package var endpointPlace: SourcePlace

    package init(
        name: String, enabled: Bool, options: Options, place: SourcePlace, endpointPlace: SourcePlace
    ) {
        self.name = name
        self.enabled = enabled
        self.options = options
        self.place = place
        self.endpointPlace = endpointPlace
    }

    /// With the gateway's name in what it publishes.
    func named(by gateway: String) -> AgentConfiguration {
        var named = self
        switch options {
        case .mqtt(var options):
            options.gateway = gateway
            named.options = .mqtt(options)
        case .restClient(var options):
            options.gateway = gateway
            named.options = .restClient(options)
        case .restServer: break
        }
        return named
    }
}

/// A risk that the operator takes knowingly: `accept-risk: [{ rule, agent, reason, until }]`.
package struct AcceptedRisk: Sendable, Equatable {
    package var rule: String
    /// nil: every agent.
    package var agent: String?
    package var reason: String
    /// The last day on which it holds, at its end in UTC.
    package var until: Timestamp?
    package var place: SourcePlace

    package init(rule: String, agent: String?, reason: String, until: Timestamp?, place: SourcePlace) {
        self.rule = rule
        self.agent = agent
        self.reason = reason
        self.until = until
        self.place = place
    }
}

/// A place in a file, counted from one.
package struct SourcePlace: Sendable, Equatable, CustomStringConvertible {
    package var file: String
    package var line: Int
    package var column: Int

    package init(file: String, line: Int, column: Int) {
        self.file = file
        self.line = line
        self.column = column
    }

    package var description: String { "\(file):\(line):\(column)" }
}

/// One thing that is wrong with the configuration, or worth a warning.
package struct ConfigurationProblem: Sendable, Equatable, CustomStringConvertible {
    package enum Severity: String, Sendable {
        case error
        case warning
    }

    package var place: SourcePlace
    package var severity: Severity
    /// What is wrong and what to do.
    package var message: String

    package init(place: SourcePlace, severity: Severity = .error, message: String) {
        self.place = place
        self.severity = severity
        self.message = message
    }

    /// `path:line:column: error: …`
    package var description: String { "\(place): \(severity.rawValue): \(message)" }
}
