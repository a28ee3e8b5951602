#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "CLinuxSockets.h"

enum { SECOND = 1000000000 };

static int64_t read_clock(clockid_t clock) {
  struct timespec t;
  clock_gettime(clock, &t);
  return (int64_t)t.tv_sec * SECOND + t.tv_nsec;
}

int64_t clx_monotonic(void) { return read_clock(CLOCK_MONOTONIC); }
int64_t clx_realtime(void) { return read_clock(CLOCK_REALTIME); }
int64_t clx_thread_cpu(void) { return read_clock(CLOCK_THREAD_CPUTIME_ID); }

int clx_wait(int fd, int beside, int watch, int event, int64_t timeout) {
  // Negative descriptors are passed over.
  struct pollfd polled[4] = {{.fd = fd, .events = POLLIN},
                             {.fd = beside, .events = POLLIN},
                             {.fd = watch, .events = POLLIN},
                             {.fd = event, .events = POLLIN}};
  if (timeout < 0) timeout = 0;
  struct timespec t = {timeout / SECOND, timeout % SECOND};
  if (ppoll(polled, 4, &t, NULL) <= 0) return 0;
  int ready = 0;
  if ((polled[0].revents | polled[1].revents | polled[2].revents) & POLLIN) ready |= CLX_READY_SOCKET;
  if ((polled[0].revents | polled[1].revents) & POLLERR) ready |= CLX_READY_ERROR;
  if (polled[3].revents & POLLIN) ready |= CLX_READY_EVENT;
  return ready;
}

void clx_sleep_until(int64_t deadline) {
  struct timespec t = {deadline / SECOND, deadline % SECOND};
  clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL);
}

int clx_event_create(void) {
  int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}

void clx_event_signal(int event) {
  uint64_t one = 1;
  // A full counter is a signal already given: nothing to do about it.
  ssize_t ignored = write(event, &one, sizeof one);
  (void)ignored;
}

void clx_event_clear(int event) {
  uint64_t count;
  ssize_t ignored = read(event, &count, sizeof count);
  (void)ignored;
}

// On Linux a niceness is a thread's.
int clx_set_niceness(int niceness) { return setpriority(PRIO_PROCESS, 0, niceness) ? -errno : 0; }

int clx_set_timer_slack(uint64_t nanoseconds) {
  return prctl(PR_SET_TIMERSLACK, (unsigned long)nanoseconds, 0, 0, 0) ? -errno : 0;
}

int clx_pin_thread(unsigned index) {
  cpu_set_t allowed, one;
  if (sched_getaffinity(0, sizeof allowed, &allowed)) return -errno;
  int count = CPU_COUNT(&allowed);
  if (count <= 0) return -EINVAL;
  int wanted = (int)(index % (unsigned)count);
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
    if (!CPU_ISSET(cpu, &allowed) || wanted-- > 0) continue;
    CPU_ZERO(&one);
    CPU_SET(cpu, &one);
    return sched_setaffinity(0, sizeof one, &one) ? -errno : 0;
  }
  return -EINVAL;
}

void clx_name_thread(const char *name) { pthread_setname_np(pthread_self(), name); }

int clx_memory_file(const char *name) {
  int fd = memfd_create(name, MFD_CLOEXEC);
  return fd < 0 ? -errno : fd;
}
