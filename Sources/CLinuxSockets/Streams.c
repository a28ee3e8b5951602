#define _GNU_SOURCE
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#include "Addresses.h"

#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

static int set_flag(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) ? -errno : 0;
}

static int open_stream(int family) {
  int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  return fd < 0 ? -errno : fd;
}

static int fail(int fd, int error) {
  close(fd);
  return error;
}

int clx_stream_listen(const clx_address *local) {
  clx_name name;
  socklen_t length = clx_name_from_address(&name, local);
  int fd = open_stream(name.any.sa_family);
  if (fd < 0) return fd;
  // Connections of an earlier run that the kernel still remembers do not keep the port.
  int failed = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (!failed && name.any.sa_family == AF_INET6) failed = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
  if (failed) return fail(fd, failed);
  if (bind(fd, &name.any, length) || listen(fd, 4096)) return fail(fd, -errno);
  return fd;
}

int clx_stream_accept(int listener, clx_address *peer) {
  clx_name name;
  socklen_t length = sizeof name;
  int fd = accept4(listener, &name.any, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (fd < 0) return -errno;
  clx_address_from_name(peer, &name);
  // What is written in one round is one piece already: nothing is gained by waiting for more (Nagle).
  set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  return fd;
}

void clx_stream_limit(int fd, unsigned timeout) { set_flag(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, (int)timeout); }

int clx_stream_connect(const clx_address *local, const clx_address *remote, unsigned timeout, uint8_t traffic_class) {
  clx_name here, there;
  clx_address host = *local;
  host.port = 0;
  socklen_t here_length = clx_name_from_address(&here, &host);
  socklen_t there_length = clx_name_from_address(&there, remote);
  int fd = open_stream(there.any.sa_family);
  if (fd < 0) return fd;
  set_flag(fd, IPPROTO_TCP, TCP_NODELAY, 1);
  clx_stream_limit(fd, timeout);
  if (traffic_class) clx_set_traffic_class(fd, traffic_class);
  // The port is chosen when the peer is known: ports in use towards others do not count.
  set_flag(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, 1);
  if (here.any.sa_family == there.any.sa_family && bind(fd, &here.any, here_length)) return fail(fd, -errno);
  if (connect(fd, &there.any, there_length) && errno != EINPROGRESS) return fail(fd, -errno);
  return fd;
}

int clx_stream_outcome(int fd) {
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length)) return -errno;
  return -error;
}

int64_t clx_stream_read(int fd, void *octets, size_t room) {
  ssize_t count;
  do count = recv(fd, octets, room, MSG_DONTWAIT);
  while (count < 0 && errno == EINTR);
  return count < 0 ? -errno : count;
}

_Static_assert(sizeof(clx_piece) == sizeof(struct iovec), "pieces are handed to the kernel as they are");
_Static_assert(offsetof(clx_piece, length) == offsetof(struct iovec, iov_len), "pieces are handed to the kernel as they are");

int64_t clx_stream_write(int fd, const clx_piece *pieces, unsigned count) {
  struct msghdr message = {.msg_iov = (struct iovec *)pieces, .msg_iovlen = count};
  ssize_t written;
  do written = sendmsg(fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
  while (written < 0 && errno == EINTR);
  return written < 0 ? -errno : written;
}

static uint32_t events_of(uint32_t interest) {
  return ((interest & CLX_READABLE) ? (uint32_t)EPOLLIN : 0) | ((interest & CLX_WRITABLE) ? (uint32_t)EPOLLOUT : 0);
}

int clx_watch_create(void) {
  int watch = epoll_create1(EPOLL_CLOEXEC);
  return watch < 0 ? -errno : watch;
}

int clx_watch_add(int watch, int fd, uint32_t mark, uint32_t interest, int is_shared) {
  struct epoll_event event = {.events = events_of(interest) | (is_shared ? (uint32_t)EPOLLEXCLUSIVE : 0), .data.u32 = mark};
  return epoll_ctl(watch, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int clx_watch_change(int watch, int fd, uint32_t mark, uint32_t interest) {
  struct epoll_event event = {.events = events_of(interest), .data.u32 = mark};
  return epoll_ctl(watch, EPOLL_CTL_MOD, fd, &event) ? -errno : 0;
}

void clx_watch_remove(int watch, int fd) { epoll_ctl(watch, EPOLL_CTL_DEL, fd, NULL); }

int clx_watch_look(int watch, clx_readiness *found, unsigned room) {
  enum { MOST = 256 };
  struct epoll_event events[MOST];
  int count = epoll_wait(watch, events, (int)(room < MOST ? room : MOST), 0);
  for (int i = 0; i < count; i++) {
    uint32_t ready = 0;
    if (events[i].events & EPOLLIN) ready |= CLX_READABLE;
    if (events[i].events & EPOLLOUT) ready |= CLX_WRITABLE;
    if (events[i].events & (EPOLLERR | EPOLLHUP)) ready |= CLX_BROKEN;
    found[i] = (clx_readiness){.mark = events[i].data.u32, .ready = ready};
  }
  return count < 0 ? 0 : count;
}

unsigned clx_raise_descriptor_limit(void) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit)) return 1024;
  if (limit.rlim_cur < limit.rlim_max) {
    struct rlimit raised = {.rlim_cur = limit.rlim_max, .rlim_max = limit.rlim_max};
    if (!setrlimit(RLIMIT_NOFILE, &raised)) limit = raised;
  }
  return limit.rlim_cur > 1u << 30 ? 1u << 30 : (unsigned)limit.rlim_cur;
}
