#define _GNU_SOURCE
#include <errno.h>
#include <time.h>

#include <linux/errqueue.h>

#include "Addresses.h"

int clx_udp_read_error(int fd, clx_error *error) {
  clx_name name = {0};
  struct iovec vector = {error->octets, sizeof error->octets};
  // The extended error is followed by the address of whoever complained.
  union {
    struct cmsghdr header;
    char octets[256];
  } control;
  struct msghdr header = {.msg_name = &name,
                          .msg_namelen = sizeof name,
                          .msg_iov = &vector,
                          .msg_iovlen = 1,
                          .msg_control = &control,
                          .msg_controllen = sizeof control};
  ssize_t length = recvmsg(fd, &header, MSG_ERRQUEUE | MSG_DONTWAIT);
  if (length < 0) return errno == EAGAIN ? 0 : -errno;
  error->length = (uint32_t)length;
  error->error = EIO;
  error->origin = error->type = error->code = 0;
  clx_address_from_name(&error->destination, &name);
  for (struct cmsghdr *c = CMSG_FIRSTHDR(&header); c; c = CMSG_NXTHDR(&header, c)) {
    int ours = (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
               (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR);
    if (!ours) continue;
    struct sock_extended_err extended;
    memcpy(&extended, CMSG_DATA(c), sizeof extended);
    error->error = (int32_t)extended.ee_errno;
    error->origin = extended.ee_origin;
    error->type = extended.ee_type;
    error->code = extended.ee_code;
  }
  return 1;
}
