#define _GNU_SOURCE
#include <errno.h>
#include <linux/sock_diag.h>
#include <netinet/udp.h>
#include <unistd.h>

#include "Addresses.h"

static int set_flag(int fd, int level, int option, int value) {
  return setsockopt(fd, level, option, &value, sizeof value) ? -errno : 0;
}

/// Bound with SO_REUSEADDR where it is to stand beside another socket.
static int open_bound(const clx_name *name, socklen_t length, int beside) {
  int fd = socket(name->any.sa_family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  // Stamps and the drop counter are conveniences: a kernel without them is still usable, and says so by their absence.
  set_flag(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
  set_flag(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
  int failed = beside ? set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1) : 0;
  if (name->any.sa_family == AF_INET6) {
    if (!failed) failed = set_flag(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (!failed) failed = set_flag(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
  } else if (!failed) {
    failed = set_flag(fd, IPPROTO_IP, IP_RECVERR, 1);
  }
  if (!failed && bind(fd, &name->any, length)) failed = -errno;
  if (failed) {
    close(fd);
    return failed;
  }
  return fd;
}

int clx_udp_open(const clx_address *local) {
  clx_name name;
  socklen_t length = clx_name_from_address(&name, local);
  return open_bound(&name, length, 0);
}

int clx_udp_open_beside(int fd, const clx_address *peer) {
  clx_name local, remote;
  socklen_t length = sizeof local;
  if (getsockname(fd, &local.any, &length)) return -errno;
  socklen_t remote_length = clx_name_from_address(&remote, peer);
  // Only while it is needed: nobody else is to share the port.
  int failed = set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 1);
  if (failed) return failed;
  int beside = open_bound(&local, length, 1);
  set_flag(fd, SOL_SOCKET, SO_REUSEADDR, 0);
  if (beside < 0) return beside;
  failed = set_flag(beside, SOL_SOCKET, SO_REUSEADDR, 0);
  if (!failed && connect(beside, &remote.any, remote_length)) failed = -errno;
  if (failed) {
    close(beside);
    return failed;
  }
  return beside;
}

int clx_local_address(int fd, clx_address *address) {
  clx_name name;
  socklen_t length = sizeof name;
  if (getsockname(fd, &name.any, &length)) return -errno;
  clx_address_from_name(address, &name);
  return 0;
}

int clx_remote_address(int fd, clx_address *address) {
  clx_name name;
  socklen_t length = sizeof name;
  if (getpeername(fd, &name.any, &length)) return -errno;
  clx_address_from_name(address, &name);
  return 0;
}

static int set_buffer(int fd, int force, int option, int octets, int *effective) {
  if (octets > 0 && setsockopt(fd, SOL_SOCKET, force, &octets, sizeof octets) &&
      setsockopt(fd, SOL_SOCKET, option, &octets, sizeof octets))
    return -errno;
  socklen_t length = sizeof *effective;
  return getsockopt(fd, SOL_SOCKET, option, effective, &length) ? -errno : 0;
}

int clx_udp_set_buffers(int fd, int receive, int send, int *effective_receive, int *effective_send) {
  int failed = set_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, receive, effective_receive);
  return failed ? failed : set_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, send, effective_send);
}

int clx_udp_can_segment(int fd) {
  int segment = 0;
  socklen_t length = sizeof segment;
  return getsockopt(fd, SOL_UDP, UDP_SEGMENT, &segment, &length) == 0;
}

int clx_udp_set_gro(int fd, int on) { return set_flag(fd, SOL_UDP, UDP_GRO, on); }

int clx_udp_tell_local(int fd) {
  clx_name name;
  socklen_t length = sizeof name;
  if (getsockname(fd, &name.any, &length)) return -errno;
  return name.any.sa_family == AF_INET6 ? set_flag(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1)
                                        : set_flag(fd, IPPROTO_IP, IP_PKTINFO, 1);
}

int clx_set_traffic_class(int fd, uint8_t octet) {
  clx_name name;
  socklen_t length = sizeof name;
  if (getsockname(fd, &name.any, &length)) return -errno;
  return name.any.sa_family == AF_INET6 ? set_flag(fd, IPPROTO_IPV6, IPV6_TCLASS, octet)
                                        : set_flag(fd, IPPROTO_IP, IP_TOS, octet);
}

int clx_udp_set_path_mtu(int fd, int how) {
  clx_name name;
  socklen_t length = sizeof name;
  if (getsockname(fd, &name.any, &length)) return -errno;
  return name.any.sa_family == AF_INET6
             ? set_flag(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, how == CLX_PATH_MTU_DISCOVER ? IPV6_PMTUDISC_DO : IPV6_PMTUDISC_DONT)
             : set_flag(fd, IPPROTO_IP, IP_MTU_DISCOVER, how == CLX_PATH_MTU_DISCOVER ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
}

int clx_probe_local(const clx_address *local) {
  clx_name name;
  clx_address host = *local;
  host.port = 0;
  socklen_t length = clx_name_from_address(&name, &host);
  int fd = socket(name.any.sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return -errno;
  int failed = bind(fd, &name.any, length) ? -errno : 0;
  close(fd);
  return failed;
}

int clx_udp_drops(int fd, uint32_t *drops) {
  uint32_t memory[SK_MEMINFO_VARS];
  socklen_t length = sizeof memory;
  if (getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length)) return -errno;
  if (length <= SK_MEMINFO_DROPS * sizeof memory[0]) return -ENOTSUP;
  *drops = memory[SK_MEMINFO_DROPS];
  return 0;
}

int clx_close(int fd) { return close(fd) ? -errno : 0; }
