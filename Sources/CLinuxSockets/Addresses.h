// Socket addresses and clx_address, one into the other. Private to this target.
#ifndef CARILLON_ADDRESSES_H
#define CARILLON_ADDRESSES_H

#include <arpa/inet.h>
#include <endian.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

#include "CLinuxSockets.h"

/// Large enough for both families, smaller than sockaddr_storage: many of them stand in one batch.
typedef union clx_name {
  struct sockaddr any;
  struct sockaddr_in ipv4;
  struct sockaddr_in6 ipv6;
} clx_name;
_Static_assert(sizeof(clx_name) == sizeof(struct sockaddr_in6), "an IPv6 name is the larger one");

static inline socklen_t clx_name_from_address(clx_name *name, const clx_address *address) {
  if (!address->is_ipv6) {
    name->ipv4 = (struct sockaddr_in){
        .sin_family = AF_INET, .sin_port = htons(address->port), .sin_addr.s_addr = htonl((uint32_t)address->low)};
    return sizeof(struct sockaddr_in);
  }
  uint64_t high = htobe64(address->high), low = htobe64(address->low);
  name->ipv6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(address->port)};
  memcpy(&name->ipv6.sin6_addr, &high, 8);
  memcpy((char *)&name->ipv6.sin6_addr + 8, &low, 8);
  return sizeof(struct sockaddr_in6);
}

static inline void clx_address_from_name(clx_address *address, const clx_name *name) {
  if (name->any.sa_family == AF_INET6) {
    uint64_t high, low;
    memcpy(&high, &name->ipv6.sin6_addr, 8);
    memcpy(&low, (const char *)&name->ipv6.sin6_addr + 8, 8);
    *address = (clx_address){
        .high = be64toh(high), .low = be64toh(low), .port = ntohs(name->ipv6.sin6_port), .is_ipv6 = 1};
  } else {
    *address = (clx_address){.low = UINT64_C(0x0000FFFF00000000) | ntohl(name->ipv4.sin_addr.s_addr),
                             .port = ntohs(name->ipv4.sin_port)};
  }
}

/// Writes the control message that names a source. Returns its space.
static inline size_t clx_write_source(char *to, const clx_address *source) {
  clx_name name;
  clx_name_from_address(&name, source);
  struct cmsghdr *header = (struct cmsghdr *)to;
  if (source->is_ipv6) {
    struct in6_pktinfo info = {.ipi6_addr = name.ipv6.sin6_addr};
    *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IPV6, .cmsg_type = IPV6_PKTINFO};
    memcpy(CMSG_DATA(header), &info, sizeof info);
    return CMSG_SPACE(sizeof info);
  }
  struct in_pktinfo info = {.ipi_spec_dst = name.ipv4.sin_addr};
  *header = (struct cmsghdr){.cmsg_len = CMSG_LEN(sizeof info), .cmsg_level = IPPROTO_IP, .cmsg_type = IP_PKTINFO};
  memcpy(CMSG_DATA(header), &info, sizeof info);
  return CMSG_SPACE(sizeof info);
}

#endif
