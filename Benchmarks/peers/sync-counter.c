/* Counts the fsync and fdatasync of the process that it is loaded into with LD_PRELOAD: what a commit costs is how often
 * the disk is waited for, and SQLite does not tell. */
#include <stdatomic.h>
#include <sys/syscall.h>
#include <unistd.h>

long sallyport_syncs(void);

static atomic_long syncs;

int fsync(int file)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fsync, file);
}

int fdatasync(int file)
{
    atomic_fetch_add(&syncs, 1);
    return (int)syscall(SYS_fdatasync, file);
}

long sallyport_syncs(void) { return atomic_load(&syncs); }
