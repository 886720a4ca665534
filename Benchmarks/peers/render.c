/* The rendering of messages written plainly in C: the same events, the same text, messages of 1000 events.
 *
 *   render ints|doubles|mixed SECONDS       prints events a second
 *
 * A double is written with the fewest digits of printf that read back as the same number, which is how it is done in C
 * without a library.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { tags = 1000 };
enum kind { integer, real, boolean };

struct value {
    enum kind kind;
    union {
        int64_t integer;
        double real;
    } data;
    int64_t time;
};

static char *put(char *to, const char *text, size_t count)
{
    memcpy(to, text, count);
    return to + count;
}

#define PUT(to, text) put(to, text, sizeof(text) - 1)

static char *put_integer(char *to, int64_t value)
{
    char digits[20];
    int start = 20;
    uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
    if (value < 0) *to++ = '-';
    do {
        digits[--start] = '0' + rest % 10;
        rest /= 10;
    } while (rest);
    return put(to, digits + start, 20 - start);
}

static char *put_real(char *to, double value)
{
    int64_t whole = (int64_t)value;
    if ((double)whole == value) return put_integer(to, whole);
    for (int digits = 15; digits < 17; digits++) {
        int count = snprintf(to, 32, "%.*g", digits, value);
        if (strtod(to, NULL) == value) return to + count;
    }
    return to + snprintf(to, 32, "%.17g", value);
}

/* Processor time: on a busy machine too what one core does in a second. */
static double now(void)
{
    struct timespec time;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    const char *what = argc > 1 ? argv[1] : "ints";
    double seconds = argc > 2 ? atof(argv[2]) : 1;
    static char prefixes[tags][96];
    static size_t lengths[tags];
    static struct value values[tags];
    for (int i = 0; i < tags; i++) {
        lengths[i] = snprintf(
            prefixes[i], sizeof prefixes[i], "{\"id\":\"Plant7.PLC12.Zone%d.Temperature%04d\",\"v\":", i % 8, i);
        values[i].time = 1600000000000000 + i;
        int kind = !strcmp(what, "ints") ? 0 : !strcmp(what, "doubles") ? 1 : i % 3;
        values[i].kind = kind == 0 ? integer : kind == 1 ? real : boolean;
        if (kind == 0) values[i].data.integer = (int64_t)i * 65521 % 100000;
        if (kind == 1) values[i].data.real = 20 + i * 0.0137;
        if (kind == 2) values[i].data.integer = i % 2;
    }
    uint64_t events = 0, bytes = 0;
    double begin = now(), end = begin;
    while (end - begin < seconds) {
        for (int round = 0; round < 10; round++) {
            char *message = malloc(128 * tags), *to = message;
            if (!message) abort();
            to = PUT(to, "{\"timestamp\":");
            to = put_integer(to, 1600000000000);
            to = PUT(to, ",\"values\":[");
            for (int i = 0; i < tags; i++) {
                const struct value *value = &values[i];
                if (i) *to++ = ',';
                to = put(to, prefixes[i], lengths[i]);
                if (value->kind == integer) to = put_integer(to, value->data.integer);
                else if (value->kind == real) to = put_real(to, value->data.real);
                else to = value->data.integer ? PUT(to, "true") : PUT(to, "false");
                to = PUT(to, ",\"q\":true,\"t\":");
                to = put_integer(to, value->time / 1000);
                *to++ = '}';
            }
            to = PUT(to, "]}");
            events += tags;
            bytes += to - message;
            /* The compiler must believe that somebody reads it. */
            __asm__ volatile("" : : "r"(message) : "memory");
            free(message);
        }
        end = now();
    }
    if (!bytes) return 1;
    printf("%.0f\n", events / (end - begin));
    return 0;
}
