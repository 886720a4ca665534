#!/usr/bin/env python3
"""Takes what a Sallyport gateway publishes, so that each message has its effect exactly once.

    receiver.py --sqlite plant.db --mqtt broker.example --ca plant-ca.pem --user reader --password-file secret
    receiver.py --sqlite plant.db --http 127.0.0.1:8080
    receiver.py --sqlite plant.db --replay record.jsonl

With --postgresql 'host=… dbname=…' in place of --sqlite it needs psycopg, with --mqtt it needs paho-mqtt 2. With
--record FILE it writes down what comes, for `sallyport outbox verify --from FILE`.
"""

import argparse
import http.server
import json
import pathlib
import sys
import threading

HERE = pathlib.Path(__file__).resolve().parent


class Database:
    """SQLite or PostgreSQL: the statements are the same."""

    def __init__(self, arguments):
        if arguments.postgresql:
            import psycopg

            self.mark = "%s"
            self.connection = psycopg.connect(arguments.postgresql)
            self.connection.execute((HERE / "postgresql.sql").read_text())
            self.connection.commit()
        else:
            import sqlite3

            self.mark = "?"
            self.connection = sqlite3.connect(arguments.sqlite, check_same_thread=False)
            self.connection.executescript((HERE / "sqlite.sql").read_text())
        # One transaction at a time: the HTTP server has several threads.
        self.lock = threading.Lock()
        self.record = open(arguments.record, "a", encoding="utf-8") if arguments.record else None

    def take(self, identity, payload):
        """One transaction for the index and the effect. False for what had its effect already."""
        with self.lock:
            if self.record:
                line = {name: text for name, text in identity.items() if name.startswith("sallyport-")}
                self.record.write(json.dumps(line) + "\n")
                self.record.flush()
            cursor = self.connection.cursor()
            try:
                cursor.execute(
                    'INSERT INTO received (epoch, agent, sequence, "offset", events) VALUES (?, ?, ?, ?, ?) '
                    "ON CONFLICT DO NOTHING".replace("?", self.mark),
                    (
                        identity["sallyport-epoch"],
                        identity["sallyport-agent"],
                        int(identity["sallyport-sequence"]),
                        int(identity["sallyport-offset"]),
                        int(identity["sallyport-events"]),
                    ),
                )
                is_new = cursor.rowcount == 1
                if is_new:
                    self.effect(cursor, payload)
                self.connection.commit()
                return is_new
            except BaseException:
                self.connection.rollback()
                raise

    def effect(self, cursor, payload):
        """What is to happen once: put your own in its place."""
        for event in json.loads(payload)["values"]:
            cursor.execute(
                "INSERT INTO measurements (tag, time, value, is_good) VALUES (?, ?, ?, ?)".replace("?", self.mark),
                (event["id"], event["t"], json.dumps(event["v"]), int(event["q"])),
            )
            cursor.execute(
                "INSERT INTO totals (tag, events) VALUES (?, 1) "
                "ON CONFLICT (tag) DO UPDATE SET events = totals.events + 1".replace("?", self.mark),
                (event["id"],),
            )


def from_mqtt(database, arguments):
    import paho.mqtt.client as mqtt
    from paho.mqtt.packettypes import PacketTypes
    from paho.mqtt.properties import Properties

    # manual_ack: the broker keeps a message until the transaction is committed, not until it was read.
    client = mqtt.Client(
        mqtt.CallbackAPIVersion.VERSION2, client_id=arguments.client_id, protocol=mqtt.MQTTv5, manual_ack=True
    )
    if arguments.ca:
        client.tls_set(ca_certs=arguments.ca)
    if arguments.user:
        secret = pathlib.Path(arguments.password_file).read_text().rstrip("\n") if arguments.password_file else None
        client.username_pw_set(arguments.user, secret)

    def on_connect(client, userdata, flags, reason, properties):
        if reason.is_failure:
            print(f"the broker refuses the connection: {reason}", file=sys.stderr)
            return
        client.subscribe(arguments.topic, qos=1)

    def on_message(client, userdata, message):
        identity = dict(getattr(message.properties, "UserProperty", []))
        if "sallyport-sequence" in identity:
            database.take(identity, message.payload)
        else:
            print(f"not from a gateway: {message.topic}", file=sys.stderr)
        # An error above ends the program before this: the broker sends the message again.
        client.ack(message.mid, message.qos)

    client.on_connect = on_connect
    client.on_message = on_message
    # The broker keeps what comes while this program is away, for a week.
    session = Properties(PacketTypes.CONNECT)
    session.SessionExpiryInterval = 7 * 86400
    port = arguments.port or (8883 if arguments.ca else 1883)
    client.connect(arguments.mqtt, port, clean_start=False, properties=session)
    client.loop_forever(retry_first_connection=True)


def from_http(database, arguments):
    class Endpoint(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self):
            payload = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            identity = {name.lower(): value for name, value in self.headers.items()}
            if "sallyport-sequence" not in identity:
                return self.answer(400)
            try:
                database.take(identity, payload)
            except Exception as error:
                print(f"not taken: {error}", file=sys.stderr)
                # The gateway sends it again.
                return self.answer(503)
            # The same for a duplicate: it has had its effect.
            self.answer(204)

        do_PUT = do_POST

        def answer(self, status):
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *words):
            pass

    host, port = arguments.http.rsplit(":", 1)
    with http.server.ThreadingHTTPServer((host, int(port)), Endpoint) as server:
        print(f"listening on {arguments.http}", file=sys.stderr, flush=True)
        server.serve_forever()


def from_record(database, arguments):
    """A file with a line of JSON for each message, as `sallyport outbox verify` reads it, with the payload as text."""
    taken = passed = 0
    with open(arguments.replay, encoding="utf-8") as record:
        for line in record:
            message = json.loads(line)
            if "sallyport-sequence" not in message:
                continue
            if database.take(message, message["payload"]):
                taken += 1
            else:
                passed += 1
    print(f"{taken} taken, {passed} passed over")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    store = parser.add_mutually_exclusive_group(required=True)
    store.add_argument("--sqlite", metavar="FILE")
    store.add_argument("--postgresql", metavar="CONNECTION")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--mqtt", metavar="HOST")
    source.add_argument("--http", metavar="ADDRESS:PORT")
    source.add_argument("--replay", metavar="FILE")
    parser.add_argument("--port", type=int)
    parser.add_argument("--topic", default="iotgateway")
    parser.add_argument("--client-id", default="receiver")
    parser.add_argument("--ca", metavar="FILE")
    parser.add_argument("--user")
    parser.add_argument("--password-file", metavar="FILE")
    parser.add_argument("--record", metavar="FILE")
    arguments = parser.parse_args()
    database = Database(arguments)
    if arguments.mqtt:
        from_mqtt(database, arguments)
    elif arguments.http:
        from_http(database, arguments)
    else:
        from_record(database, arguments)


if __name__ == "__main__":
    main()
