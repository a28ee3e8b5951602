#define _GNU_SOURCE
#include "CChildProcess.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int carillon_child_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }

pid_t carillon_child_start(char *const arguments[], char *const environment[], int output, int errors, int program) {
    posix_spawn_file_actions_t actions;
    int failure = posix_spawn_file_actions_init(&actions);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    // A descriptor of ours may itself be 0…3, so each is first moved out of the way, with close-on-exec.
    int moved[3] = {-1, -1, -1};
    const int given[3] = {output, errors, program};
    for (int i = 0; i < 3 && failure == 0; i++) {
        if (given[i] < 0) continue;
        moved[i] = fcntl(given[i], F_DUPFD_CLOEXEC, 10);
        if (moved[i] < 0) failure = errno;
    }
    if (failure == 0) failure = posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    if (failure == 0 && moved[0] >= 0) failure = posix_spawn_file_actions_adddup2(&actions, moved[0], 1);
    if (failure == 0 && moved[1] >= 0) failure = posix_spawn_file_actions_adddup2(&actions, moved[1], 2);
    if (failure == 0 && moved[2] >= 0) failure = posix_spawn_file_actions_adddup2(&actions, moved[2], 3);

    // A blocked or ignored signal of ours (a run catches SIGINT) must not be inherited.
    posix_spawnattr_t attributes;
    bool hasAttributes = false;
    if (failure == 0) {
        failure = posix_spawnattr_init(&attributes);
        hasAttributes = failure == 0;
    }
    if (failure == 0) {
        sigset_t none, all;
        sigemptyset(&none);
        sigfillset(&all);
        posix_spawnattr_setsigmask(&attributes, &none);
        posix_spawnattr_setsigdefault(&attributes, &all);
        failure = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    }

    pid_t child = -1;
    if (failure == 0) failure = posix_spawn(&child, arguments[0], &actions, &attributes, arguments, environment);
    if (hasAttributes) posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    for (int i = 0; i < 3; i++)
        if (moved[i] >= 0) close(moved[i]);
    if (failure != 0) {
        errno = failure;
        return -1;
    }
    return child;
}

static int64_t now_milliseconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/// True if the child has ended before the deadline; it is not reaped.
static bool ends_before(pid_t child, int64_t deadline) {
    int handle = (int)syscall(SYS_pidfd_open, child, 0);
    bool ended = false;
    for (;;) {
        int64_t left = deadline - now_milliseconds();
        if (left < 0) left = 0;
        if (handle >= 0) {
            struct pollfd waiting = {.fd = handle, .events = POLLIN};
            int count = poll(&waiting, 1, left > 3600000 ? 3600000 : (int)left);
            if (count > 0) {
                ended = true;
                break;
            }
        } else {  // a kernel before 5.3, or a sandbox without pidfd_open
            siginfo_t info = {0};
            if (waitid(P_PID, child, &info, WEXITED | WNOHANG | WNOWAIT) == 0 && info.si_pid == child) {
                ended = true;
                break;
            }
            struct timespec pause = {.tv_nsec = 2000000};
            nanosleep(&pause, NULL);
        }
        if (now_milliseconds() >= deadline) break;
    }
    if (handle >= 0) close(handle);
    return ended;
}

int carillon_child_wait(pid_t child, int64_t milliseconds, int *code) {
    bool ended = ends_before(child, now_milliseconds() + milliseconds);
    if (!ended) {
        kill(child, SIGTERM);
        if (!ends_before(child, now_milliseconds() + 1000)) kill(child, SIGKILL);
    }
    int status = 0;
    pid_t reaped;
    do reaped = waitpid(child, &status, 0);
    while (reaped < 0 && errno == EINTR);
    if (reaped < 0) return -1;
    if (!ended) return CARILLON_CHILD_TIMED_OUT;
    if (WIFEXITED(status)) {
        *code = WEXITSTATUS(status);
        return CARILLON_CHILD_EXITED;
    }
    *code = WTERMSIG(status);
    return CARILLON_CHILD_SIGNALLED;
}
