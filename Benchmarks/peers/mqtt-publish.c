/* A publish loop at QoS 1, written plainly in C over libmosquitto.
 *
 *   mqtt-publish PORT TOPIC COUNT BYTES WINDOW PROPERTIES
 *
 * Publishes COUNT messages of BYTES to 127.0.0.1 over MQTT 5, WINDOW of them on their way; with PROPERTIES 1 each has
 * user properties as an outbox gives them. Prints rate= (messages a second, from connecting to the last acknowledgement)
 * and processor= (seconds).
 */
#define _GNU_SOURCE
#include "message.h"
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>

static long done;
static int is_connected;

static void fail(const char *what, int code)
{
    fprintf(stderr, "mqtt-publish: %s: %d, %s\n", what, code, mosquitto_strerror(code));
    exit(1);
}

static void on_connect(
    struct mosquitto *client, void *object, int code, int flags, const mosquitto_property *properties)
{
    (void)client, (void)object, (void)flags, (void)properties;
    if (code) fail("the broker refuses", code);
    is_connected = 1;
}

static void on_publish(struct mosquitto *client, void *object, int id, int reason, const mosquitto_property *properties)
{
    (void)client, (void)object, (void)id, (void)properties;
    if (reason >= 0x80) fail("the broker refuses a message", reason);
    done++;
}

static void add(mosquitto_property **properties, const char *name, const char *value)
{
    int code = mosquitto_property_add_string_pair(properties, MQTT_PROP_USER_PROPERTY, name, value);
    if (code) fail("a property", code);
}

static mosquitto_property *identity(long sequence)
{
    mosquitto_property *properties = NULL;
    char text[24];
    snprintf(text, sizeof text, "%ld", sequence);
    add(&properties, "sallyport-gateway", "load");
    add(&properties, "sallyport-agent", "mqtt");
    add(&properties, "sallyport-epoch", "0123456789abcdef0123456789abcdef");
    add(&properties, "sallyport-sequence", text);
    add(&properties, "sallyport-offset", "0");
    add(&properties, "sallyport-events", "1");
    return properties;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: mqtt-publish PORT TOPIC COUNT BYTES WINDOW PROPERTIES\n");
        return 2;
    }
    long count = atol(argv[3]), sent = 0, window = atol(argv[5]);
    size_t bytes = (size_t)atol(argv[4]);
    int has_properties = atoi(argv[6]);
    char *message = make_message(&bytes);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("c-benchmark", true, NULL);
    if (!client || count < 1 || window < 1) return 1;
    mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_max_inflight_messages_set(client, (unsigned)window);
    mosquitto_connect_v5_callback_set(client, on_connect);
    mosquitto_publish_v5_callback_set(client, on_publish);
    double begin = seconds_of(CLOCK_MONOTONIC), processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    int code = mosquitto_connect(client, "127.0.0.1", atoi(argv[1]), 60);
    if (code) fail("connecting", code);
    while (done < count) {
        while (is_connected && sent < count && sent - done < window) {
            number_message(message, sent++);
            mosquitto_property *properties = has_properties ? identity(sent) : NULL;
            code = mosquitto_publish_v5(client, NULL, argv[2], (int)bytes, message, 1, false, properties);
            mosquitto_property_free_all(&properties);
            if (code) fail("publishing", code);
        }
        code = mosquitto_loop(client, 100, 1);
        if (code) fail("the connection", code);
    }
    double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - processor;
    printf("rate=%.1f processor=%.3f\n", count / seconds, processor);
    mosquitto_disconnect(client);
    mosquitto_destroy(client);
    mosquitto_lib_cleanup();
    return 0;
}
