// Clients of live streams over TLS: all of them open for a while, each change that comes counted and aged.
//
//   streams PORT CREDENTIALS STREAMS WARM-UP SECONDS TARGET…
//
// CREDENTIALS is what stands behind "Basic"; the streams take the targets in turn. Says "open" when all are, "measuring"
// after the warm-up, and at the end: streams still open, changes, bytes, events named missed, p50, p99 and greatest age of
// a change on arrival in ms. The age is that of "t" by this machine's clock.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

// Ages are kept by the millisecond; what begins in one read and ends in the next is kept over.
enum { AGES = 60000, KEPT = 64, ROOM = 64 * 1024 };

struct stream {
    SSL *ssl;
    char kept[KEPT];
    int have;
};

static SSL_CTX *tls;
static long ages[AGES], changes, missed;
static long long bytes;
static int is_measuring;

static int64_t clock_ms(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static SSL *open_stream(int port, const char *target, const char *credentials) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in peer = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {20, 0};
    inet_pton(AF_INET, "127.0.0.1", &peer.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL *ssl = SSL_new(tls);
    if (connect(fd, (struct sockaddr *)&peer, sizeof peer) != 0 || !SSL_set_fd(ssl, fd) || SSL_connect(ssl) != 1) return NULL;
    char *request, head[64] = "";
    int length = asprintf(&request, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\n\r\n", target, credentials);
    int is_sent = SSL_write(ssl, request, length) == length;
    free(request);
    if (!is_sent || SSL_read(ssl, head, sizeof head - 1) <= 0 || strncmp(head, "HTTP/1.1 200 ", 13) != 0) {
        fprintf(stderr, "a stream is not let in: %s\n", head);
        return NULL;
    }
    fcntl(fd, F_SETFL, O_NONBLOCK);
    return ssl;
}

// Counts what is whole in `text`, and keeps the rest.
static void look(struct stream *stream, char *text, int length) {
    int64_t now = clock_ms(CLOCK_REALTIME);
    char *from = text, *end = text + length, *found;
    while ((found = memmem(from, end - from, "\"t\":", 4))) {
        char *digits = found + 4, *stop = digits;
        int64_t at = 0;
        while (stop < end && *stop >= '0' && *stop <= '9') at = at * 10 + (*stop++ - '0');
        if (stop == end) break;
        from = stop;
        if (!is_measuring) continue;
        int64_t age = now - at;
        ages[age < 0 ? 0 : age >= AGES ? AGES - 1 : age]++;
        changes++;
    }
    if (memmem(text, length, "event: missed", 13)) missed++;
    char *rest = found ? found : end - (end - from > 3 ? 3 : end - from);
    if (end - rest > KEPT) rest = end - KEPT;
    stream->have = (int)(end - rest);
    memcpy(stream->kept, rest, stream->have);
}

// Whether the stream goes on.
static int take(struct stream *stream) {
    static char text[KEPT + ROOM + 1];
    while (1) {
        memcpy(text, stream->kept, stream->have);
        int count = SSL_read(stream->ssl, text + stream->have, ROOM);
        if (count <= 0) return SSL_get_error(stream->ssl, count) == SSL_ERROR_WANT_READ;
        if (is_measuring) bytes += count;
        look(stream, text, stream->have + count);
    }
}

static long share(double part) {
    long wanted = (long)(changes * part), sum = 0;
    for (int age = 0; age < AGES; age++)
        if ((sum += ages[age]) > wanted) return age;
    return 0;
}

int main(int argc, char **argv) {
    if (argc < 7) return 2;
    int port = atoi(argv[1]), count = atoi(argv[3]), open = 0, greatest = 0;
    int64_t warm_up = atoi(argv[4]) * 1000LL, seconds = atoi(argv[5]);
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_client_method());
    struct stream *streams = calloc(count, sizeof *streams);
    int poll = epoll_create1(EPOLL_CLOEXEC);
    for (; open < count; open++) {
        if (!(streams[open].ssl = open_stream(port, argv[6 + open % (argc - 6)], argv[2]))) return 1;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &streams[open]};
        epoll_ctl(poll, EPOLL_CTL_ADD, SSL_get_fd(streams[open].ssl), &event);
        // The earlier ones must not wait for the later.
        for (int i = 0; i <= open; i++) take(&streams[i]);
    }
    printf("open\n");
    fflush(stdout);
    int64_t start = clock_ms(CLOCK_MONOTONIC) + warm_up, now;
    while ((now = clock_ms(CLOCK_MONOTONIC)) < start + seconds * 1000) {
        if (!is_measuring && now >= start) {
            is_measuring = 1;
            printf("measuring\n");
            fflush(stdout);
        }
        struct epoll_event events[64];
        int ready = epoll_wait(poll, events, 64, 20);
        for (int i = 0; i < ready; i++) {
            struct stream *stream = events[i].data.ptr;
            if (take(stream)) continue;
            epoll_ctl(poll, EPOLL_CTL_DEL, SSL_get_fd(stream->ssl), NULL);
            open--;
        }
    }
    for (int age = 0; age < AGES; age++)
        if (ages[age]) greatest = age;
    printf("streams=%d changes=%ld bytes=%lld missed=%ld p50=%ld p99=%ld max=%d\n", open, changes, bytes, missed, share(0.5),
           share(0.99), greatest);
    return 0;
}
