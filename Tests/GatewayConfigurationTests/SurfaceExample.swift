/// The surface as it was agreed: every key of it is known to this version.
enum SurfaceExample {
    static let text = #"""
        # The configuration's surface: what a user of Sallyport writes. Every key here works as its comment says.
        # Keys may be added; these names stay. Durations: 500ms, 10s, 7d. Sizes: 64KiB, 1GiB. Paths are relative to this file.
        version: 1

        gateway:
          name: press-shop                      # goes into client ids, certificates and message headers
          data-directory: data                  # users, audit log, outbox, certificates; 0700
          log: { level: info, format: text }    # text | json

        channels:
          - name: Simulation
            driver: simulator
            devices:
              - name: Press1
                tags:
                  - { name: Temperature, address: "SINE (1000, 15.0, 90.0, 0.05, 0)", unit: "°C" }
                  - { name: Count, address: "RAMP (200, 0, 1000000, 1)", type: Long }
                  - { name: State, address: "USER (5000, idle, running, stopped)", type: String }
                  - { name: Setpoint, address: K0001, type: Double, access: read-write, range: [0, 100] }
          - name: Plant
            driver: modbus-tcp
            enabled: true                       # on channel, device, tag, item and agent
            devices:
              - name: PLC1
                host: 127.0.0.1
                port: 1502                      # default 502
                unit: 1
                poll: 500ms                     # a tag may set its own
                timeout: 1s
                retries: 2
                demote: { after: 3, for: 10s }  # a dead device is asked less often
                word-order: big-endian          # big-endian | little-endian | big-endian-byte-swap | little-endian-byte-swap
                zero-based: false               # 40001 is holding register 0
                tags:
                  - { name: Level, address: "40001", type: Short, scale: { raw: [0, 27648], scaled: [0, 100], type: Double, clamp: false } }
                  - { name: Alarms, address: "40010.3", type: Boolean }
                  - { name: Totals, address: "40100 [8]", type: DWord }
                  - { name: Valve, address: "00001", type: Boolean, access: read-write, read-back: true }
                tag-file: tags/plc1.csv         # header: name,address,type,access,unit,poll,description

        security:
          password: { minimum-length: 14 }
          groups:                               # users, tokens and keys are made with the command line and name their groups
            - name: viewers
              allow: [{ tags: "**", actions: [browse, read] }]
            - name: operators
              allow:
                - { tags: "Plant.**", actions: [browse, read] }
                - { tags: "Plant.PLC1.Valve", actions: [write] }
              deny:
                - { tags: "Plant.PLC1.Interlock*", actions: [write] }   # * stays within a name, ** crosses dots; deny wins

        audit: { max-bytes: 256MiB, max-age: 365d, reserve: 16MiB }

        accept-risk: []                         # [{ rule: SP-104, agent: broker, reason: "…", until: 2027-01-31 }]

        tls:
          minimum-version: "1.2"
          identities:
            - { name: factory, certificate: tls/gateway.pem, key: tls/gateway.key, key-password: { file: secrets/key } }
            # "default" always exists: self-signed at first start, used where nothing else is named

        agents:
          - name: broker
            type: mqtt
            enabled: true
            url: ssl://broker.example:8883      # ssl:// or tcp://, the latter only on loopback or with accept-risk
            username: gateway
            password: { file: secrets/mqtt }    # file | environment | credential (systemd)
            client-id: ""                       # made once per installation when empty
            protocol: auto                      # auto: 5, then 3.1.1 | "5" | "3.1.1"
            keepalive: 10s
            tls: { ca-file: tls/plant-ca.pem, identity: factory }
            publish: &publish
              topic: iotgateway                 # may hold |TAGNAME| and the like: then one message a topic
              qos: 1
              retain: false
              type: interval                    # interval | on-change
              rate: 10s
              format: narrow                    # narrow | wide
              max-events: 1000
              send-initial-update: true
              ignore-quality-changes: false
              template: standard                # standard | { standard: "…", values: "…" } | { advanced: "…" }
            birth: { topic: iotgateway/status, message: online, qos: 1, retain: true }
            last-will: { topic: iotgateway/status, message: offline, qos: 1, retain: true }
            writes:
              enabled: false
              topic: iotgateway/write
              response-topic: iotgateway/write/response
              as: operators                     # the group whose permissions a write on this topic has
              signed: optional                  # off | optional | required
              max-age: 10s                      # of the extended form
              rate-limit: 100                   # a second
            outbox: &outbox { max-bytes: 1GiB, max-age: 7d, when-full: drop-oldest, durability: full }   # full | normal | memory
            items:
              # scan-rate left out: every change that the driver reports; set: sampled, and between two samples only the latest counts
              - { tags: "Plant.**", scan-rate: 1s, deadband: 0.5% }        # % of the tag's range, or an absolute number
              - { tags: "Simulation.Press1.Count", scan-rate: 200ms, send-every-scan: true }

          - name: historian
            type: rest-client
            enabled: false
            url: https://historian.example/ingest
            method: POST                        # POST | PUT
            headers: { X-Site: press-shop }
            media-type: application/json
            username: gateway
            password: { environment: HISTORIAN_PASSWORD }
            timeout: 5s
            tls: { ca-file: tls/plant-ca.pem }
            publish: { rate: 10s, format: narrow, max-events: 1000, template: standard }
            outbox: *outbox
            items: [{ tags: "Plant.**", scan-rate: 1s }]

          - name: api
            type: rest-server
            enabled: true
            bind: 127.0.0.1                     # an address or an interface name
            port: 39320
            https: true
            tls: { identity: default, client-certificates: { mode: none } }   # none | optional | required, with ca-file and map
            allow-from: []                      # CIDR list; empty: everybody
            trusted-proxies: []                 # whose X-Forwarded-For is believed
            anonymous: false
            write-endpoint: false
            cors-allowed-origins: []
            array-values: array                 # array | string
            limits: { connections: 512, connections-per-address: 64, body: 1MiB, request-timeout: 15s, ids-per-request: 10000 }
            items: [{ tags: "**" }]

        """#
}
