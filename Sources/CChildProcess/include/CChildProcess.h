// What Swift's Glibc overlay hides of running a child process: memfd_create and pidfd_open.
#ifndef CCHILDPROCESS_H
#define CCHILDPROCESS_H

#include <stdint.h>
#include <sys/types.h>

/// A file in memory, closed on exec. Returns its descriptor, or -1 with errno.
int carillon_child_memory_file(const char *name);

/// Starts `arguments[0]` with exactly this environment. In the child, standard input is /dev/null, standard output and
/// standard error are `output` and `errors`, and `program` (-1: none) is descriptor 3. Both lists end with NULL.
/// Returns the process id, or -1 with errno.
pid_t carillon_child_start(char *const arguments[], char *const environment[], int output, int errors, int program);

enum {
    CARILLON_CHILD_EXITED = 0,     // *code is the exit status
    CARILLON_CHILD_SIGNALLED = 1,  // *code is the signal
    CARILLON_CHILD_TIMED_OUT = 2,  // the child got SIGTERM, a second later SIGKILL, and is reaped
};

/// Waits until the child ends or `milliseconds` have passed. Returns one of the above, or -1 with errno.
int carillon_child_wait(pid_t child, int64_t milliseconds, int *code);

#endif
