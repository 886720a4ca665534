// Clients of a REST server agent over TLS, for a while: some that read a tag again and again, and a flood of bad logins
// from another address beside them.
//
//   rest-clients PORT PATH CREDENTIALS SECONDS FLOOD
//
// CREDENTIALS is what stands behind "Basic" for the readers; FLOOD is bad logins a second from 127.0.0.2, 0 for none.
// Prints: reads, p50, p99 and longest time of a read in µs, bad logins answered a second, those of them not refused.
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { READERS = 8, READ_PERIOD_US = 20000, FLOODERS = 48 };

static int port, flood;
static const char *path, *credentials;
static int64_t start, end;
static SSL_CTX *tls;

static int64_t *samples[READERS];
static int taken[READERS];
static atomic_long answered, let_in;

static int64_t now_us(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static void sleep_until(int64_t us) {
    struct timespec t = {us / 1000000, us % 1000000 * 1000};
    while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) != 0) {}
}

static SSL *connect_from(const char *address) {
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), on = 1;
    struct sockaddr_in own = {.sin_family = AF_INET}, peer = {.sin_family = AF_INET, .sin_port = htons(port)};
    struct timeval patience = {20, 0};
    inet_pton(AF_INET, address, &own.sin_addr);
    inet_pton(AF_INET, "127.0.0.1", &peer.sin_addr);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    SSL *ssl = SSL_new(tls);
    if (bind(fd, (struct sockaddr *)&own, sizeof own) == 0 && connect(fd, (struct sockaddr *)&peer, sizeof peer) == 0
        && SSL_set_fd(ssl, fd) && SSL_connect(ssl) == 1)
        return ssl;
    SSL_free(ssl);
    close(fd);
    return NULL;
}

static void disconnect(SSL *ssl) {
    int fd = SSL_get_fd(ssl);
    SSL_free(ssl);
    close(fd);
}

// The status of the answer; 0 when the connection failed; `closes` when it ends with the answer.
static int ask(SSL *ssl, const char *authorization, int *closes) {
    char text[65536];
    int length = snprintf(text, sizeof text, "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Basic %s\r\n\r\n", path,
                          authorization);
    if (SSL_write(ssl, text, length) != length) return 0;
    int have = 0;
    while (have < (int)sizeof text - 1) {
        int count = SSL_read(ssl, text + have, (int)sizeof text - 1 - have);
        if (count <= 0) return 0;
        have += count;
        text[have] = 0;
        char *head_end = strstr(text, "\r\n\r\n"), *field = strstr(text, "Content-Length: ");
        if (!head_end || !field) continue;
        if (have >= head_end + 4 - text + atoi(field + 16)) {
            *closes = strstr(text, "Connection: close") != NULL;
            return atoi(text + 9);
        }
    }
    return 0;
}

static void *reader(void *argument) {
    int number = (int)(intptr_t)argument, closes = 0;
    SSL *ssl = connect_from("127.0.0.1");
    int64_t due = start + number * READ_PERIOD_US / READERS;
    if (!ssl || ask(ssl, credentials, &closes) != 200) {
        fprintf(stderr, "a reader is not let in\n");
        exit(1);
    }
    for (; due < end; due += READ_PERIOD_US) {
        sleep_until(due);
        int64_t sent = now_us();
        // After an answer that came late the wait counts as well.
        int64_t since = sent - due > READ_PERIOD_US / 2 ? due : sent;
        if (ask(ssl, credentials, &closes) != 200) {
            fprintf(stderr, "a read failed\n");
            exit(1);
        }
        samples[number][taken[number]++] = now_us() - since;
    }
    disconnect(ssl);
    return NULL;
}

static void *flooder(void *argument) {
    int number = (int)(intptr_t)argument, closes;
    int64_t period = 1000000LL * FLOODERS / flood, due = start + number * period / FLOODERS;
    SSL *ssl = NULL;
    for (long round = 0; due < end; due += period, round++) {
        char plain[96];
        unsigned char coded[160];
        // Every other guess is for a name that exists; no guess comes twice.
        int length = snprintf(plain, sizeof plain, "%s:guess-%d-%ld", round % 2 ? "load" : "nobody", number, round);
        EVP_EncodeBlock(coded, (unsigned char *)plain, length);
        sleep_until(due);
        if (!ssl) ssl = connect_from("127.0.0.2");
        closes = 1;
        int status = ssl ? ask(ssl, (char *)coded, &closes) : 0;
        if (status) atomic_fetch_add(&answered, 1);
        if (status == 200) atomic_fetch_add(&let_in, 1);
        if (ssl && (closes || !status)) {
            disconnect(ssl);
            ssl = NULL;
        }
    }
    if (ssl) disconnect(ssl);
    return NULL;
}

static int ascending(const void *a, const void *b) {
    int64_t one = *(const int64_t *)a, other = *(const int64_t *)b;
    return (one > other) - (one < other);
}

int main(int argc, char **argv) {
    if (argc != 6) return 2;
    port = atoi(argv[1]);
    path = argv[2];
    credentials = argv[3];
    double seconds = atof(argv[4]);
    flood = atoi(argv[5]);
    signal(SIGPIPE, SIG_IGN);
    tls = SSL_CTX_new(TLS_client_method());
    int most = (int)(seconds * 1e6 / READ_PERIOD_US) + 2;
    pthread_t threads[READERS + FLOODERS];
    int count = 0;
    // Room for the readers' first login, which costs a hash.
    start = now_us() + 2000000;
    end = start + (int64_t)(seconds * 1e6);
    for (int i = 0; i < READERS; i++) {
        samples[i] = calloc(most, sizeof(int64_t));
        pthread_create(&threads[count++], NULL, reader, (void *)(intptr_t)i);
    }
    for (int i = 0; flood > 0 && i < FLOODERS; i++) pthread_create(&threads[count++], NULL, flooder, (void *)(intptr_t)i);
    for (int i = 0; i < READERS; i++) pthread_join(threads[i], NULL);
    int total = 0;
    for (int i = 0; i < READERS; i++) total += taken[i];
    int64_t *all = calloc(total, sizeof(int64_t));
    for (int i = 0, next = 0; i < READERS; next += taken[i++]) memcpy(all + next, samples[i], taken[i] * sizeof(int64_t));
    qsort(all, total, sizeof(int64_t), ascending);
    printf("%d %lld %lld %lld %.0f %ld\n", total, (long long)all[total / 2], (long long)all[total * 99 / 100],
           (long long)all[total - 1], atomic_load(&answered) / seconds, atomic_load(&let_in));
    return 0;
}
