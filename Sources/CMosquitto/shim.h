#pragma once
#include <mosquitto.h>
#include <mqtt_protocol.h>
/* Glibc's module leaves it out; the poll loop wakes its thread by it. */
#include <sys/eventfd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes that came in on a TCP connection, from the kernel's tcp_info. glibc's own structure ends before the field; Linux
 * (linux/tcp.h) has it at byte 128 since 4.1 and only ever appends. 0 where it cannot be told. */
static inline uint64_t sallyport_bytes_received(int fd) {
    unsigned char info[256];
    uint64_t received = 0;
    socklen_t length = sizeof info;
    if (fd < 0 || getsockopt(fd, IPPROTO_TCP, TCP_INFO, info, &length) != 0 || length < 136) return 0;
    memcpy(&received, info + 128, sizeof received);
    return received;
}
