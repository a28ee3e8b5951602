#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include "Addresses.h"

int64_t clx_media_receive(int fd, void *octets, size_t room, clx_address *source, int64_t *stamp) {
  clx_name name = {0};
  struct iovec vector = {octets, room};
  union {
    struct cmsghdr header;
    char octets[128];
  } control;
  struct msghdr header = {.msg_name = &name,
                          .msg_namelen = sizeof name,
                          .msg_iov = &vector,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &header, MSG_DONTWAIT | MSG_TRUNC);
  if (length < 0) return -errno;
  clx_address_from_name(source, &name);
  *stamp = 0;
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_TIMESTAMPNS) continue;
    struct timespec t;
    memcpy(&t, CMSG_DATA(c), sizeof t);
    *stamp = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
  }
  return length;
}

int clx_media_send(int fd, const void *octets, size_t length, const clx_address *destination, const clx_address *source) {
  clx_name name;
  struct iovec vector = {(void *)octets, length};
  union {
    struct cmsghdr header;
    char octets[CMSG_SPACE(sizeof(struct in6_pktinfo))];
  } control;
  struct msghdr header = {.msg_name = &name, .msg_iov = &vector, .msg_iovlen = 1};
  header.msg_namelen = clx_name_from_address(&name, destination);
  if (source) {
    header.msg_control = &control;
    header.msg_controllen = clx_write_source(control.octets, source);
  }
  // An ICMP error that came since the last send is told once by the next one, which does not leave then.
  for (int attempt = 0; attempt < 2; attempt++) {
    if (sendmsg(fd, &header, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) return 0;
    if (errno != ECONNREFUSED && errno != EHOSTUNREACH && errno != ENETUNREACH) break;
  }
  return -errno;
}
