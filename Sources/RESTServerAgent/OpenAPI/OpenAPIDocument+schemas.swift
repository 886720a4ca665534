import Writes

extension OpenAPIDocument {
    /// Every shape that an operation may name.
    var schemas: [(String, JSONTree)] {
        [
            ("IDs", OpenAPIDocument.ids(limit: options.limits.idsPerRequest)),
            ("ReadResults", OpenAPIDocument.results("readResults", "ReadResult")),
            ("ReadResult", readResult),
            ("Value", value),
            ("BrowseResults", OpenAPIDocument.browseResults),
            ("Writes", OpenAPIDocument.writes(limit: options.limits.idsPerRequest)),
            ("Write", OpenAPIDocument.write),
            ("Failure", OpenAPIDocument.failure),
            ("Alive", OpenAPIDocument.flag("alive")),
            ("Ready", OpenAPIDocument.ready),
            ("OpenAPI", OpenAPIDocument.document),
        ] + (options.writeEndpoint ? OpenAPIDocument.writing : [])
    }

    /// What nobody is answered while writing is off.
    private static let writing = [
        ("WriteResults", results("writeResults", "WriteResult")), ("WriteResult", writeResult),
    ]

    /// An object that has these members, all of them, and no others.
    static func object(_ members: (String, JSONTree)...) -> JSONTree {
        [
            "type": "object",
            "properties": .object(members.map { .init(name: $0.0, value: $0.1) }),
            "required": .array(members.map { .string($0.0) }),
            "additionalProperties": false,
        ]
    }

    private static let id: JSONTree = [
        "type": "string", "maxLength": .integer(RequestedIDs.longestID),
        "description": "The name of a tag, at most \(RequestedIDs.longestID) bytes of UTF-8; without the case of a-z.",
        "examples": ["Plant.PLC1.Level"],
    ]

    private static let echoedID: JSONTree = [
        "type": "string", "description": "The name as configured; of an unknown tag, as asked.",
    ]

    private static func ids(limit: Int) -> JSONTree {
        ["type": "array", "maxItems": .integer(limit), "items": id]
    }

    private static func results(_ name: String, _ schema: String) -> JSONTree {
        object((name, ["type": "array", "items": ["$ref": "#/components/schemas/\(schema)"]]))
    }

    private static let browseResults = object(
        (
            "browseResults",
            [
                "type": "array",
                "items": object(("id", ["type": "string", "description": "The name of a tag, as configured."])),
            ]
        ),
        ("succeeded", ["const": true]), ("reason", ["const": ""]))

    private var readResult: JSONTree {
        OpenAPIDocument.object(
            ("id", OpenAPIDocument.echoedID),
            ("s", ["type": "boolean", "description": "Whether the value may be used: good or uncertain quality."]),
            (
                "r",
                ["type": "string", "description": "Empty when good; else the quality, or why there is no value."]
            ),
            ("v", ["$ref": "#/components/schemas/Value"]),
            (
                "t",
                [
                    "type": "integer", "format": "int64",
                    "description": "The value's time in milliseconds since 1970; 0 when there is none.",
                ]
            )
        )
        .with("if", ["properties": ["s": ["const": false]]])
        .with("then", ["properties": ["v": ["type": "null"], "r": ["minLength": 1]]])
        .with("else", ["properties": ["v": ["not": ["type": "null"]]]])
    }

    private var value: JSONTree {
        let scalars: [JSONTree] = ["number", "string", "boolean", "null"]
        guard options.arrayValues == .array else {
            return [
                "description": .string(
                    "null where s is false; whole numbers to all 64 bits, dates in ISO 8601, and arrays as"
                        + " the text of a JSON array."),
                "type": .array(scalars),
            ]
        }
        return [
            "description": "null where s is false; whole numbers to all 64 bits, and dates in ISO 8601.",
            "type": .array(scalars + ["array"]),
            "items": ["type": .array(scalars)],
        ]
    }

    private static func writes(limit: Int) -> JSONTree {
        let one: JSONTree = ["$ref": "#/components/schemas/Write"]
        return [
            "description": "Carried out in order, one after the other; they are not atomic.",
            "oneOf": [["type": "array", "maxItems": .integer(limit), "items": one], one],
        ]
    }

    private static let write = object(
        ("id", id),
        (
            "v",
            [
                "description": .string(
                    "What fits the tag's type: a number, a string, a Boolean, or an array of them. Numbers and Booleans"
                        + " may come as strings. What does not fit is refused in its result.")
            ]
        ))

    private static let writeResult = object(
        ("id", echoedID),
        ("s", ["type": "boolean", "description": "Whether the device has confirmed the write."]),
        ("r", ["type": "string", "description": "Empty when it has; else a code, a colon and a sentence."])
    )
    .with("if", ["properties": ["s": ["const": true]]])
    .with("then", ["properties": ["r": ["const": ""]]])
    .with("else", ["properties": ["r": ["pattern": .string(codes)]]])

    private static let codes =
        "^(\((WriteVerdict.Code.allCases.map(\.rawValue) + ["unknown"]).joined(separator: "|"))): "

    private static let failure = object(
        ("succeeded", ["const": false]),
        ("reason", ["type": "string", "minLength": 1, "description": "For people."]))

    private static func flag(_ name: String) -> JSONTree { object((name, ["const": true])) }

    /// The warnings are there only where there are some.
    private static let ready: JSONTree = [
        "type": "object",
        "properties": [
            "ready": ["const": true],
            "warnings": [
                "type": "array", "minItems": 1, "items": ["type": "string", "minLength": 1],
                "description": "For people: what will end this before long.",
            ],
        ],
        "required": ["ready"],
        "additionalProperties": false,
    ]

    private static let document: JSONTree = [
        "type": "object", "properties": ["openapi": ["const": "3.1.0"]], "required": ["openapi", "info", "paths"],
    ]
}
