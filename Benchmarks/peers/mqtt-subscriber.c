/* Counts and checks what the gateway publishes of the load's device.
 *
 *   mqtt-subscriber PORT TOPIC WARM-UP SECONDS
 *
 * Connects to 127.0.0.1 without TLS, prints "subscribed", after the first message and WARM-UP seconds "measuring", and
 * after SECONDS more one line of figures:
 *
 *   tags= events= messages= seconds= p50= p99= max= backwards= gaps= bad= malformed=
 *
 * tags: how many had an event. p50, p99 and max are milliseconds from the register's change to here, of every event.
 * backwards: a tag's value or time that is not newer than the one before. gaps: two events of a tag more than 150 ms of
 * gateway time apart. bad: q false.
 */
#include <mosquitto.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { devices = 64, registers = 1000 };

struct seen {
    int64_t time;
    uint16_t value;
    uint8_t is_set;
};

static struct seen tags[devices][registers];
static uint64_t latencies[65536];
static uint64_t events, messages, backwards, gaps, bad, malformed;
static double warm_up, seconds, begin, end;
static int is_measuring, is_done;
static const char *topic;

static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static const char *number(const char *at, const char *last, int64_t *value)
{
    const char *first = at;
    for (*value = 0; at < last && *at >= '0' && *at <= '9'; at++) *value = *value * 10 + (*at - '0');
    return at == first ? NULL : at;
}

static const char *expect(const char *at, const char *last, const char *text)
{
    size_t count = strlen(text);
    return at && (size_t)(last - at) >= count && !memcmp(at, text, count) ? at + count : NULL;
}

/* One event, as {"id":"Plant.PLC3.Zone4.Temperature0417","v":12345,"q":true,"t":1535488314859} */
static const char *event(const char *at, const char *last, uint16_t arrived)
{
    int64_t device, index, value, time;
    int is_good = 1;
    if (!(at = expect(at, last, "{\"id\":\"Plant.PLC"))) return NULL;
    if (!(at = number(at, last, &device))) return NULL;
    const char *quote = memchr(at, '"', last - at);
    if (!quote || quote - at < 4 || !number(quote - 4, quote, &index)) return NULL;
    if (!(at = expect(quote, last, "\",\"v\":"))) return NULL;
    if (!(at = number(at, last, &value))) return NULL;
    const char *good = expect(at, last, ",\"q\":true,\"t\":");
    if (!good) {
        is_good = 0;
        good = expect(at, last, ",\"q\":false,\"t\":");
    }
    if (!good || !(at = number(good, last, &time)) || !(at = expect(at, last, "}"))) return NULL;
    if (device < 0 || device >= devices || index < 0 || index >= registers) return NULL;
    /* Register n holds the time of its change plus n. */
    uint16_t changed = (uint16_t)(value - index);
    struct seen *tag = &tags[device][index];
    if (is_measuring) {
        events++;
        if (!is_good) bad++;
        latencies[(uint16_t)(arrived - changed)]++;
        if (tag->is_set) {
            if (time <= tag->time || (int16_t)(changed - tag->value) <= 0) backwards++;
            if (time - tag->time > 150) gaps++;
        }
    }
    tag->is_set = 1;
    tag->time = time;
    tag->value = changed;
    return at;
}

static void on_connect(struct mosquitto *client, void *object, int code)
{
    (void)object;
    if (code) exit(1);
    mosquitto_subscribe(client, NULL, topic, 1);
}

static void on_subscribe(struct mosquitto *client, void *object, int id, int count, const int *granted)
{
    (void)client, (void)object, (void)id, (void)count, (void)granted;
    puts("subscribed");
    fflush(stdout);
}

static void on_message(struct mosquitto *client, void *object, const struct mosquitto_message *message)
{
    (void)client, (void)object;
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    uint16_t arrived = (uint16_t)((int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000);
    double at = now();
    if (!begin) begin = at + warm_up;
    if (!is_measuring && at >= begin) {
        is_measuring = 1;
        begin = at;
        puts("measuring");
        fflush(stdout);
    }
    if (is_measuring && at >= begin + seconds) {
        is_done = 1;
        end = at;
        return;
    }
    const char *text = message->payload, *last = text + message->payloadlen;
    const char *values = memchr(text, '[', message->payloadlen);
    if (is_measuring) messages++;
    if (!values) {
        malformed++;
        return;
    }
    for (text = values + 1;;) {
        text = event(text, last, arrived);
        if (!text) {
            malformed++;
            return;
        }
        if (text < last && *text == ',') text++;
        else break;
    }
    if (!expect(text, last, "]}")) malformed++;
}

static int percentile(double share)
{
    uint64_t wanted = events * share, sum = 0;
    for (int i = 0; i < 65536; i++)
        if ((sum += latencies[i]) > wanted) return i;
    return 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: mqtt-subscriber PORT TOPIC WARM-UP SECONDS\n");
        return 2;
    }
    topic = argv[2];
    warm_up = atof(argv[3]);
    seconds = atof(argv[4]);
    mosquitto_lib_init();
    struct mosquitto *client = mosquitto_new("load-subscriber", true, NULL);
    if (!client) return 1;
    mosquitto_connect_callback_set(client, on_connect);
    mosquitto_subscribe_callback_set(client, on_subscribe);
    mosquitto_message_callback_set(client, on_message);
    if (mosquitto_connect(client, "127.0.0.1", atoi(argv[1]), 60)) return 1;
    while (!is_done)
        if (mosquitto_loop(client, 1000, 1)) return 1;
    int max = 65535;
    while (max > 0 && !latencies[max]) max--;
    int seen = 0;
    for (int i = 0; i < devices * registers; i++) seen += tags[i / registers][i % registers].is_set;
    printf("tags=%d events=%llu messages=%llu seconds=%.3f ", seen, (unsigned long long)events,
           (unsigned long long)messages, end - begin);
    printf("p50=%d p99=%d max=%d backwards=%llu gaps=%llu bad=%llu malformed=%llu\n", percentile(0.5), percentile(0.99),
           max, (unsigned long long)backwards, (unsigned long long)gaps, (unsigned long long)bad,
           (unsigned long long)malformed);
    mosquitto_destroy(client);
    return 0;
}
