/* The messages of the outbox's benchmarks, as BenchmarkMessage of OutboxBacklog.swift makes them. */
#ifndef message_h
#define message_h

#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MESSAGE_HEAD "{\"timestamp\":1600000000000,\"values\":["
#define MESSAGE_BEFORE "{\"id\":\"Plant7.PLC12.Zone3.Temperature0417\",\"v\":\""
#define MESSAGE_AFTER "\",\"q\":true,\"t\":1600000000000}"
#define MESSAGE_TAIL "]}"

enum { message_digits = 12 };

/* A message of so many bytes, a little more where they are too few, in a buffer of its own. */
static char *make_message(size_t *bytes)
{
    size_t around = sizeof MESSAGE_HEAD + sizeof MESSAGE_BEFORE + sizeof MESSAGE_AFTER + sizeof MESSAGE_TAIL - 4;
    if (*bytes < around + message_digits) *bytes = around + message_digits;
    char *message = malloc(*bytes + 1), *at = message;
    if (!message) abort();
    size_t value = *bytes - around;
    at = stpcpy(at, MESSAGE_HEAD MESSAGE_BEFORE);
    memset(at, 'x', value);
    memset(at, '0', message_digits);
    strcpy(at + value, MESSAGE_AFTER MESSAGE_TAIL);
    return message;
}

/* Every message is another one. */
static void number_message(char *message, long number)
{
    char *at = message + sizeof(MESSAGE_HEAD MESSAGE_BEFORE) - 1;
    for (int digit = message_digits - 1; digit >= 0; digit--, number /= 10) at[digit] = (char)('0' + number % 10);
}

static double seconds_of(clockid_t clock)
{
    struct timespec time;
    clock_gettime(clock, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

#endif
