"""An HTTPS client that asks over one open connection: a line of JSON in for each request, one out for its answer.

In: {"method", "path", "headers": {}, "body"}; all but the path may be missing.
Out: {"status", "headers": {}, "body", "port"}: the client's own port tells whether it is still the same connection.
{"error"} when the connection broke: what became of the request is then unknown, and the next opens another.
"""

import http.client
import json
import ssl
import sys

_, address, port, source, authority = sys.argv[:5]
context = ssl.create_default_context(cafile=authority)
if len(sys.argv) > 5:
    context.load_cert_chain(sys.argv[5], sys.argv[6])
connection = None
print("ready", file=sys.stderr, flush=True)
for line in sys.stdin:
    request = json.loads(line)
    answer = {"status": 0, "headers": {}, "body": "", "port": 0, "error": ""}
    try:
        if connection is None:
            connection = http.client.HTTPSConnection(
                address, int(port), timeout=60, context=context, source_address=(source, 0)
            )
            connection.connect()
        answer["port"] = connection.sock.getsockname()[1]
        body = request.get("body")
        connection.request(
            request.get("method", "GET"),
            request["path"],
            body.encode() if body is not None else None,
            request.get("headers", {}),
        )
        response = connection.getresponse()
        answer["body"] = response.read().decode()
        answer["status"] = response.status
        answer["headers"] = {name.lower(): value for name, value in response.getheaders()}
        if response.will_close:
            connection.close()
            connection = None
    except (OSError, http.client.HTTPException) as error:
        answer["error"] = f"{type(error).__name__}: {error}"
        connection.close()
        connection = None
    print(json.dumps(answer), file=sys.stderr, flush=True)
