"""Holds answers against the OpenAPI documents that describe them.

    conformance.py ANSWERS DOCUMENT…

ANSWERS has a JSON object a line: `document` (a file's name), `method`, `path`, `status`, `headers` (names in lower case),
`body`. Method and path are empty where the request was so malformed that it has none. Every document must be valid
OpenAPI 3.1, and every answer one that its document knows: status, content type, required headers, shape of the body.
Prints what is wrong, one a line, and then how many answers it has seen.
"""

import json
import os
import sys

from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator


class Document:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.tree = json.load(file)
        self.components = self.tree["components"]
        self.validators = {}

    def faults(self):
        for error in OpenAPIV31SpecValidator(self.tree).iter_errors():
            yield f"not OpenAPI 3.1: {error}"
        references = set(find(self.tree, "$ref"))
        for reference in references:
            node = self.tree
            for part in reference.removeprefix("#/").split("/"):
                node = node.get(part) if isinstance(node, dict) else None
            if node is None:
                yield f"{reference} leads nowhere"
        for name in self.components["schemas"]:
            if f"#/components/schemas/{name}" not in references:
                yield f"the schema {name} is named by nobody"
        identifiers = find(self.tree["paths"], "operationId")
        if len(identifiers) != len(set(identifiers)):
            yield "two operations have one operationId"

    def resolved(self, node):
        reference = node.get("$ref")
        return self.components["responses"][reference.rsplit("/", 1)[1]] if reference else node

    def response(self, answer):
        """What the document has of this answer, or why it has nothing."""
        status = str(answer["status"])
        item = self.tree["paths"].get(answer["path"])
        operation = item.get(answer["method"].lower()) if item else None
        if operation:
            found = operation["responses"].get(status)
            return (self.resolved(found), None) if found else (None, "this status is not documented")
        # Another method, another path, or no request at all: said once for all, under `components`.
        named = {"404": item is None, "405": item is not None}
        if not named.get(status, True):
            return None, "this status does not belong to this path"
        if answer["status"] == 405:
            allowed = {word.strip().lower() for word in answer["headers"].get("allow", "").split(",")}
            if allowed != set(item) - {"options"}:
                return None, f"Allow names {sorted(allowed)}"
        if answer["status"] < 400:
            return None, "this was served"
        operations = [each for path in self.tree["paths"].values() for each in path.values()]
        if status not in {"404", "405"}.union(*(each["responses"] for each in operations)):
            return None, "this status is nowhere documented"
        return self.components["responses"]["BadRequest"], None

    def check(self, answer):
        response, reason = self.response(answer)
        if response is None:
            yield reason
            return
        for name, header in response.get("headers", {}).items():
            if header.get("required") and name.lower() not in answer["headers"]:
                yield f"the header {name} is missing"
        if answer["method"] == "HEAD":
            if answer["body"]:
                yield "HEAD has a body"
            return
        essence = answer["headers"].get("content-type", "").split(";")[0]
        content = response.get("content")
        if content is None:
            if answer["body"] or essence:
                yield "there is a body, and none is documented"
            return
        if essence not in content:
            yield f"the content type {essence!r} is not documented"
            return
        if essence == "application/json":
            yield from self.mismatches(content[essence]["schema"], answer["body"])

    def mismatches(self, schema, body):
        key = json.dumps(schema)
        if key not in self.validators:
            self.validators[key] = Draft202012Validator({**schema, "components": self.components})
        for error in self.validators[key].iter_errors(json.loads(body)):
            yield f"the body is not as documented: {error.message[:200]} at {error.json_path}"


def find(node, name):
    """The values of every member of this name."""
    if isinstance(node, dict):
        own = [node[name]] if isinstance(node.get(name), str) else []
        return own + [value for child in node.values() for value in find(child, name)]
    if isinstance(node, list):
        return [value for child in node for value in find(child, name)]
    return []


def main(answers, *paths):
    documents = {os.path.basename(path): Document(path) for path in paths}
    for name, document in documents.items():
        for fault in document.faults():
            print(f"{name}: {fault}")
    count = 0
    with open(answers, encoding="utf-8") as lines:
        for line in lines:
            answer = json.loads(line)
            count += 1
            for fault in documents[answer["document"]].check(answer):
                print(f"{answer['document']}: {answer['method']} {answer['path']} {answer['status']}: {fault}")
    print(f"{count} answers seen")


main(*sys.argv[1:])
