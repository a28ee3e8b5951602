#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <netinet/udp.h>
#include <stdlib.h>

#include "Addresses.h"

enum {
  /// The segment's length comes first where there is one, the source behind it or alone.
  SEGMENT = CMSG_SPACE(sizeof(uint16_t)),
  CONTROL = SEGMENT + CMSG_SPACE(sizeof(struct in6_pktinfo)),
};

typedef union control {
  struct cmsghdr header;
  char octets[CONTROL];
} control;

struct clx_sender {
  unsigned capacity, vector_capacity;
  unsigned count, vectors_used;
  clx_transmitter transmitter;
  struct mmsghdr *headers;
  struct iovec *vectors;
  clx_name *names;
  control *controls;
};

static void write_segment(control *to, uint16_t segment) {
  to->header =
      (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof segment), .cmsg_level = SOL_UDP, .cmsg_type = UDP_SEGMENT};
  memcpy(CMSG_DATA(&to->header), &segment, sizeof segment);
}

clx_sender *clx_sender_create(unsigned headers, unsigned vectors) {
  clx_sender *sender = calloc(1, sizeof *sender);
  if (!sender) return NULL;
  sender->capacity = headers;
  sender->vector_capacity = vectors;
  sender->transmitter = clx_transmit;
  sender->headers = calloc(headers, sizeof *sender->headers);
  sender->vectors = calloc(vectors, sizeof *sender->vectors);
  sender->names = calloc(headers, sizeof *sender->names);
  sender->controls = calloc(headers, sizeof *sender->controls);
  if (!sender->headers || !sender->vectors || !sender->names || !sender->controls) {
    clx_sender_destroy(sender);
    return NULL;
  }
  for (unsigned i = 0; i < headers; i++) {
    write_segment(&sender->controls[i], 0);
  }
  return sender;
}

void clx_sender_destroy(clx_sender *sender) {
  if (!sender) return;
  free(sender->headers);
  free(sender->vectors);
  free(sender->names);
  free(sender->controls);
  free(sender);
}

void clx_sender_set_transmitter(clx_sender *sender, clx_transmitter transmitter) { sender->transmitter = transmitter; }

void clx_sender_clear(clx_sender *sender) {
  sender->count = 0;
  sender->vectors_used = 0;
}

void clx_sender_open(clx_sender *sender, const clx_address *destination, const clx_address *source, uint16_t segment) {
  assert(sender->count < sender->capacity);
  unsigned i = sender->count++;
  struct msghdr *header = &sender->headers[i].msg_hdr;
  header->msg_name = destination ? &sender->names[i] : NULL;
  header->msg_namelen = destination ? clx_name_from_address(&sender->names[i], destination) : 0;
  header->msg_iov = &sender->vectors[sender->vectors_used];
  header->msg_iovlen = 0;
  control *control = &sender->controls[i];
  if (source) {
    // What stood here before may have begun with a source.
    if (segment) write_segment(control, segment);
    size_t head = segment ? SEGMENT : 0;
    header->msg_control = control;
    header->msg_controllen = head + clx_write_source(control->octets + head, source);
  } else if (segment) {
    memcpy(CMSG_DATA(&control->header), &segment, sizeof segment);
    header->msg_control = control;
    header->msg_controllen = SEGMENT;
  } else {
    header->msg_control = NULL;
    header->msg_controllen = 0;
  }
}

void clx_sender_add(clx_sender *sender, const void *octets, size_t length) {
  struct msghdr *header = &sender->headers[sender->count - 1].msg_hdr;
  if (header->msg_iovlen) {
    struct iovec *last = &header->msg_iov[header->msg_iovlen - 1];
    if ((const char *)last->iov_base + last->iov_len == (const char *)octets) {
      last->iov_len += length;
      return;
    }
  }
  assert(sender->vectors_used < sender->vector_capacity);
  sender->vectors[sender->vectors_used++] = (struct iovec){(void *)octets, length};
  header->msg_iovlen++;
}

int clx_sender_transmit(clx_sender *sender, int fd, unsigned first) {
  assert(first < sender->count);
  return sender->transmitter(fd, sender->headers + first, sender->count - first);
}

int clx_transmit(int fd, void *headers, unsigned count) {
  int sent = sendmmsg(fd, headers, count, MSG_DONTWAIT);
  return sent < 0 ? -errno : sent;
}

unsigned clx_header_segment(const void *headers, unsigned index) {
  const struct msghdr *header = &((const struct mmsghdr *)headers)[index].msg_hdr;
  const struct cmsghdr *first = header->msg_control;
  if (!first || first->cmsg_level != SOL_UDP) return 0;
  uint16_t segment;
  memcpy(&segment, CMSG_DATA(first), sizeof segment);
  return segment;
}
