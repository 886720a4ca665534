// Loaded before the C library: remembers what of the outbox's files a disk has for certain, which is what was there at the
// last fsync of each. A test puts that back after it killed the process, as a power cut would.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void remember(int descriptor) {
    const char *directory = getenv("POWERCUT_DIRECTORY");
    char link[64], path[4096], copy[8192], next[8200], buffer[65536];
    if (!directory) return;
    snprintf(link, sizeof link, "/proc/self/fd/%d", descriptor);
    ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return;
    path[length] = 0;
    const char *name = strrchr(path, '/');
    if (!name || strncmp(name + 1, "outbox.sqlite", 13) != 0) return;
    snprintf(copy, sizeof copy, "%s%s", directory, name);
    snprintf(next, sizeof next, "%s.next", copy);
    int file = open(next, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (file < 0) return;
    off_t offset = 0;
    ssize_t count;
    while ((count = pread(descriptor, buffer, sizeof buffer, offset)) > 0) {
        if (write(file, buffer, count) != count) break;
        offset += count;
    }
    close(file);
    // Killed before this, the disk had not yet said that it has it.
    rename(next, copy);
}

int fsync(int descriptor) {
    static int (*original)(int);
    if (!original) original = dlsym(RTLD_NEXT, "fsync");
    int code = original(descriptor);
    if (code == 0) remember(descriptor);
    return code;
}

int fdatasync(int descriptor) {
    static int (*original)(int);
    if (!original) original = dlsym(RTLD_NEXT, "fdatasync");
    int code = original(descriptor);
    if (code == 0) remember(descriptor);
    return code;
}
