/* The load's device: a Modbus TCP server of libmodbus on each port given, 1000 holding registers each, in one thread.
 *
 *   modbus-device PERIOD-MS PORT…
 *
 * Every PERIOD-MS all registers of a server change at once; register n then holds (milliseconds since 1970 + n) modulo
 * 65536 of that moment, so that whoever receives a value knows how old it is. The servers change one after the other.
 * Prints "listening" when it does.
 */
#include <errno.h>
#include <modbus/modbus.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

enum { registers = 1000, most_servers = 64, most_sockets = 1024 };

struct server {
    modbus_t *modbus;
    modbus_mapping_t *mapping;
    int listener;
    int64_t next_change;
};

static struct server servers[most_servers];
static int count;
/* The server of each socket. */
static struct server *owners[most_sockets];

static int64_t milliseconds(void)
{
    struct timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void fail(const char *what)
{
    fprintf(stderr, "modbus-device: %s: %s\n", what, modbus_strerror(errno));
    exit(1);
}

static void watch(int poller, int socket, struct server *server)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = socket};
    if (socket < 0 || socket >= most_sockets) fail("too many sockets");
    owners[socket] = server;
    if (epoll_ctl(poller, EPOLL_CTL_ADD, socket, &event) < 0) fail("epoll");
}

static void change(struct server *server, int64_t now)
{
    uint16_t value = (uint16_t)now;
    for (int i = 0; i < registers; i++) server->mapping->tab_registers[i] = value++;
}

static void answer(struct server *server, int socket)
{
    uint8_t query[MODBUS_TCP_MAX_ADU_LENGTH];
    modbus_set_socket(server->modbus, socket);
    int length = modbus_receive(server->modbus, query);
    if (length > 0 && modbus_reply(server->modbus, query, length, server->mapping) >= 0) return;
    if (length == 0) return;
    close(socket);
    owners[socket] = NULL;
}

int main(int argc, char **argv)
{
    int period = argc > 1 ? atoi(argv[1]) : 0;
    count = argc - 2;
    if (period < 1 || count < 1 || count > most_servers) {
        fprintf(stderr, "usage: modbus-device PERIOD-MS PORT…\n");
        return 2;
    }
    signal(SIGPIPE, SIG_IGN);
    int poller = epoll_create1(0), timer = timerfd_create(CLOCK_REALTIME, 0);
    if (poller < 0 || timer < 0) fail("epoll");
    int64_t begin = milliseconds();
    for (int i = 0; i < count; i++) {
        struct server *server = &servers[i];
        server->modbus = modbus_new_tcp("127.0.0.1", atoi(argv[i + 2]));
        server->mapping = modbus_mapping_new(0, 0, registers, 0);
        if (!server->modbus || !server->mapping) fail("memory");
        server->listener = modbus_tcp_listen(server->modbus, 16);
        if (server->listener < 0) fail("listening");
        server->next_change = begin + (int64_t)period * i / count;
        watch(poller, server->listener, server);
    }
    watch(poller, timer, NULL);
    puts("listening");
    fflush(stdout);
    for (;;) {
        int64_t now = milliseconds(), next = INT64_MAX;
        for (int i = 0; i < count; i++) {
            struct server *server = &servers[i];
            if (server->next_change <= now) {
                change(server, now);
                server->next_change += (now - server->next_change) / period * period + period;
            }
            if (server->next_change < next) next = server->next_change;
        }
        struct itimerspec alarm = {.it_value = {next / 1000, next % 1000 * 1000000}};
        timerfd_settime(timer, TFD_TIMER_ABSTIME, &alarm, NULL);
        struct epoll_event events[64];
        int ready = epoll_wait(poller, events, 64, -1);
        for (int i = 0; i < ready; i++) {
            int socket = events[i].data.fd;
            struct server *server = owners[socket];
            if (socket == timer) {
                uint64_t ticks;
                if (read(timer, &ticks, sizeof ticks) < 0) continue;
            } else if (server && socket == server->listener) {
                int connection = accept(socket, NULL, NULL);
                if (connection >= 0) watch(poller, connection, server);
            } else if (server) {
                answer(server, socket);
            }
        }
    }
}
