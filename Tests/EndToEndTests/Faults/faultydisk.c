// Loaded before the C library: the outbox's files lie on a disk that fails as a file says, for as long as it says so:
// "eio" (writing and syncing), "dead" (reading as well), "readonly", "slow N" (a sync takes N ms).
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static ssize_t (*real_read)(int, void *, size_t);

static void mode(char *text, size_t size) {
    const char *path = getenv("FAULTYDISK_MODE");
    text[0] = 0;
    if (!path) return;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) return;
    if (!real_read) real_read = dlsym(RTLD_NEXT, "read");
    ssize_t count = real_read(file, text, size - 1);
    text[count > 0 ? count : 0] = 0;
    close(file);
}

static int is_ours(int descriptor) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return 0;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    return name && strncmp(name + 1, "outbox.", 7) == 0;
}

// 0, or the error that this is to end with.
static int fault(int descriptor, int is_reading) {
    char text[32];
    int before = errno, code = 0;
    mode(text, sizeof text);
    if (strcmp(text, "eio") == 0) code = is_reading ? 0 : EIO;
    if (strcmp(text, "dead") == 0) code = EIO;
    if (strcmp(text, "readonly") == 0) code = is_reading ? 0 : EROFS;
    if (code && !is_ours(descriptor)) code = 0;
    errno = code ? code : before;
    return code;
}

static void wait_for_sync(int descriptor) {
    char text[32];
    mode(text, sizeof text);
    if (strncmp(text, "slow ", 5) == 0 && is_ours(descriptor)) usleep((useconds_t)atoi(text + 5) * 1000);
}

#define REAL(name) __typeof__(&name) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

ssize_t write(int d, const void *b, size_t n) {
    REAL(write);
    return fault(d, 0) ? -1 : real(d, b, n);
}
ssize_t pwrite(int d, const void *b, size_t n, off_t o) {
    REAL(pwrite);
    return fault(d, 0) ? -1 : real(d, b, n, o);
}
ssize_t pwrite64(int d, const void *b, size_t n, off64_t o) {
    REAL(pwrite64);
    return fault(d, 0) ? -1 : real(d, b, n, o);
}
ssize_t pread(int d, void *b, size_t n, off_t o) {
    REAL(pread);
    return fault(d, 1) ? -1 : real(d, b, n, o);
}
ssize_t pread64(int d, void *b, size_t n, off64_t o) {
    REAL(pread64);
    return fault(d, 1) ? -1 : real(d, b, n, o);
}
int ftruncate(int d, off_t n) {
    REAL(ftruncate);
    return fault(d, 0) ? -1 : real(d, n);
}
int ftruncate64(int d, off64_t n) {
    REAL(ftruncate64);
    return fault(d, 0) ? -1 : real(d, n);
}
int fsync(int d) {
    REAL(fsync);
    wait_for_sync(d);
    return fault(d, 0) ? -1 : real(d);
}
int fdatasync(int d) {
    REAL(fdatasync);
    wait_for_sync(d);
    return fault(d, 0) ? -1 : real(d);
}
