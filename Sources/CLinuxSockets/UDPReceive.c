#define _GNU_SOURCE
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

#include "Addresses.h"

enum {
  /// The longest a coalesced buffer can be.
  BUFFER = 65536,
  /// From one buffer to the next. Not a multiple of 4096: the first lines of all messages would compete for the same
  /// sets of the first-level cache.
  STRIDE = BUFFER + 576,
  /// Stamp, overflow counter, segment length and local address.
  CONTROL = CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(uint32_t)) + CMSG_SPACE(sizeof(int)) +
            CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

typedef union control {
  struct cmsghdr header;
  char octets[CONTROL];
} control;

struct clx_receiver {
  int fd;
  unsigned slots;
  /// Headers whose lengths the last receive overwrote.
  unsigned used;
  uint32_t drops;
  /// The one that all datagrams are from; names are not asked for then.
  int has_source;
  clx_address source;
  struct mmsghdr *headers;
  struct iovec *vectors;
  clx_name *names;
  control *controls;
  clx_datagram *datagrams;
  uint8_t *buffers;
};

static void arm(clx_receiver *receiver, unsigned count) {
  for (unsigned i = 0; i < count; i++) {
    struct msghdr *header = &receiver->headers[i].msg_hdr;
    header->msg_name = receiver->has_source ? NULL : &receiver->names[i];
    header->msg_namelen = receiver->has_source ? 0 : sizeof(clx_name);
    header->msg_controllen = sizeof(control);
    header->msg_flags = 0;
  }
}

clx_receiver *clx_receiver_create(int fd, unsigned slots) {
  clx_receiver *receiver = calloc(1, sizeof *receiver);
  if (!receiver) return NULL;
  receiver->fd = fd;
  receiver->slots = slots;
  receiver->headers = calloc(slots, sizeof *receiver->headers);
  receiver->vectors = calloc(slots, sizeof *receiver->vectors);
  receiver->names = calloc(slots, sizeof *receiver->names);
  receiver->controls = calloc(slots, sizeof *receiver->controls);
  receiver->datagrams = calloc(slots, sizeof *receiver->datagrams);
  void *buffers = mmap(
      NULL, (size_t)slots * STRIDE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  receiver->buffers = buffers == MAP_FAILED ? NULL : buffers;
  if (!receiver->headers || !receiver->vectors || !receiver->names || !receiver->controls || !receiver->datagrams ||
      !receiver->buffers) {
    clx_receiver_destroy(receiver);
    return NULL;
  }
  for (unsigned i = 0; i < slots; i++) {
    receiver->vectors[i] = (struct iovec){receiver->buffers + (size_t)i * STRIDE, BUFFER};
    receiver->headers[i].msg_hdr = (struct msghdr){
        .msg_iov = &receiver->vectors[i], .msg_iovlen = 1, .msg_control = &receiver->controls[i]};
  }
  arm(receiver, slots);
  return receiver;
}

void clx_receiver_destroy(clx_receiver *receiver) {
  if (!receiver) return;
  if (receiver->buffers) munmap(receiver->buffers, (size_t)receiver->slots * STRIDE);
  free(receiver->headers);
  free(receiver->vectors);
  free(receiver->names);
  free(receiver->controls);
  free(receiver->datagrams);
  free(receiver);
}

void clx_receiver_set_source(clx_receiver *receiver, const clx_address *source) {
  receiver->has_source = 1;
  receiver->source = *source;
  arm(receiver, receiver->slots);
}

int clx_receiver_receive(clx_receiver *receiver) {
  arm(receiver, receiver->used);
  receiver->used = 0;
  int count = recvmmsg(receiver->fd, receiver->headers, receiver->slots, MSG_DONTWAIT, NULL);
  if (count < 0) return errno == EAGAIN || errno == EINTR ? 0 : -errno;
  receiver->used = (unsigned)count;
  for (int i = 0; i < count; i++) {
    struct msghdr *header = &receiver->headers[i].msg_hdr;
    clx_datagram *datagram = &receiver->datagrams[i];
    datagram->octets = receiver->vectors[i].iov_base;
    datagram->length = receiver->headers[i].msg_len;
    datagram->segment = 0;
    datagram->stamp = 0;
    datagram->truncated = (header->msg_flags & MSG_TRUNC) != 0;
    if (receiver->has_source) {
      datagram->source = receiver->source;
    } else {
      clx_address_from_name(&datagram->source, &receiver->names[i]);
    }
    for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c)) {
      if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_TIMESTAMPNS) {
        struct timespec stamp;
        memcpy(&stamp, CMSG_DATA(c), sizeof stamp);
        datagram->stamp = (int64_t)stamp.tv_sec * 1000000000 + stamp.tv_nsec;
      } else if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) {
        int segment;
        memcpy(&segment, CMSG_DATA(c), sizeof segment);
        if (segment > 0 && (uint32_t)segment < datagram->length) datagram->segment = (uint32_t)segment;
      } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SO_RXQ_OVFL) {
        memcpy(&receiver->drops, CMSG_DATA(c), sizeof receiver->drops);
      } else if (c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_PKTINFO) {
        struct in_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        clx_name name = {.ipv4 = {.sin_family = AF_INET, .sin_addr = info.ipi_addr}};
        clx_address_from_name(&datagram->local, &name);
      } else if (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_PKTINFO) {
        struct in6_pktinfo info;
        memcpy(&info, CMSG_DATA(c), sizeof info);
        clx_name name = {.ipv6 = {.sin6_family = AF_INET6, .sin6_addr = info.ipi6_addr}};
        clx_address_from_name(&datagram->local, &name);
      }
    }
  }
  return count;
}

const clx_datagram *clx_receiver_datagrams(const clx_receiver *receiver) { return receiver->datagrams; }
uint32_t clx_receiver_drops(const clx_receiver *receiver) { return receiver->drops; }
