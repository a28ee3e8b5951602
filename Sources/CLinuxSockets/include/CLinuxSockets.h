// What Swift's Glibc overlay hides of Linux sockets and clocks: batch receive and send, segmentation offload, kernel receive
// stamps, the socket error queue, and a few calls of threads. Every name starts with clx_. Functions that can fail return a
// negated errno. No state is kept outside the objects handed out.
#ifndef CARILLON_LINUX_SOCKETS_H
#define CARILLON_LINUX_SOCKETS_H

#include <stddef.h>
#include <stdint.h>

/// An address as SIPWire's TransportAddress holds it: host byte order, IPv4 in the last four octets of an IPv4-mapped one.
typedef struct clx_address {
  uint64_t high;
  uint64_t low;
  uint16_t port;
  uint8_t is_ipv6;
  uint8_t padding[5];
} clx_address;
_Static_assert(sizeof(clx_address) == 24, "clx_address is read by Swift field by field and kept at 24 octets");

/// Reads an address from a socket's local name. Returns 0 or -errno.
int clx_local_address(int fd, clx_address *address);
/// The same of the other end of a connected socket.
int clx_remote_address(int fd, clx_address *address);

// ---- Opening a UDP socket (UDPSocketOptions.c) ----

/// A non-blocking, close-on-exec UDP socket bound to `local` (port 0: the kernel chooses) with kernel receive stamps, the
/// overflow counter and the error queue on. Returns the descriptor or -errno.
int clx_udp_open(const clx_address *local);
/// A second socket like that at the address `fd` is bound to, connected to `peer`: from now on what `peer` sends comes here and
/// what is sent here needs no route looked up, while `fd` keeps everybody else. Between its two steps it can take in a few
/// datagrams of others. Returns the descriptor or -errno.
int clx_udp_open_beside(int fd, const clx_address *peer);
/// Asks for socket buffers of this many octets, past the machine's limit where that is allowed (SO_RCVBUFFORCE), else
/// within it. Returns through the pointers what the kernel keeps (it doubles what is asked, for its own accounting).
int clx_udp_set_buffers(int fd, int receive, int send, int *effective_receive, int *effective_send);
/// 1 where the kernel cuts one send into datagrams (UDP_SEGMENT, Linux 4.18), else 0.
int clx_udp_can_segment(int fd);
/// Lets the kernel hand up equal datagrams of one peer as one buffer (UDP_GRO, Linux 5.0). Returns 0 or -errno.
int clx_udp_set_gro(int fd, int on);
/// Has each received datagram tell the local address it was sent to (IP_PKTINFO, IPV6_RECVPKTINFO). Returns 0 or -errno.
int clx_udp_tell_local(int fd);
/// Marks what leaves by any socket: the whole octet of IPv4's Type of Service or IPv6's Traffic Class, DSCP in its upper six bits
/// (RFC 2474 §3). Returns 0 or -errno.
int clx_set_traffic_class(int fd, uint8_t octet);
/// What becomes of datagrams longer than the path takes whole (IP_MTU_DISCOVER): they are refused with EMSGSIZE and none is cut on
/// its way (DISCOVER), or all may be cut anywhere (IGNORE). Returns 0 or -errno.
enum { CLX_PATH_MTU_DISCOVER = 1, CLX_PATH_MTU_IGNORE = 2 };
int clx_udp_set_path_mtu(int fd, int how);
/// Whether the machine lets a socket have this address: binds one to it, at any port, and closes it. Returns 0 or -errno.
int clx_probe_local(const clx_address *local);
/// Datagrams the kernel dropped for want of receive buffer since the socket was opened; also those not yet seen in a
/// receive. Returns 0 or -errno.
int clx_udp_drops(int fd, uint32_t *drops);
int clx_close(int fd);

// ---- Receiving (UDPReceive.c) ----

/// One received buffer: one datagram, or several of `segment` octets each (the last may be shorter).
typedef struct clx_datagram {
  const uint8_t *octets;
  uint32_t length;
  /// 0: one datagram.
  uint32_t segment;
  clx_address source;
  /// CLOCK_REALTIME when the kernel took it in, in nanoseconds; 0 when it had no stamp.
  int64_t stamp;
  /// Cut: longer than the buffer.
  uint8_t truncated;
  uint8_t padding[7];
  /// The local address it was sent to, without a port; only where `clx_udp_tell_local` has been called.
  clx_address local;
} clx_datagram;
_Static_assert(sizeof(clx_datagram) == 80, "clx_datagram is read by Swift in a loop over the batch");

typedef struct clx_receiver clx_receiver;

/// Headers, control buffers and 64 KiB buffers for `slots` datagrams, prepared once. NULL: no memory.
clx_receiver *clx_receiver_create(int fd, unsigned slots);
void clx_receiver_destroy(clx_receiver *receiver);
/// Names are asked for no more: every datagram is known to be from `source`, as with a connected socket.
void clx_receiver_set_source(clx_receiver *receiver, const clx_address *source);
/// Takes what is there without waiting. Returns the number of buffers, 0 for none, or -errno.
int clx_receiver_receive(clx_receiver *receiver);
/// The batch of the last receive; valid until the next.
const clx_datagram *clx_receiver_datagrams(const clx_receiver *receiver);
/// The kernel's drop counter as it came with the last datagrams (SO_RXQ_OVFL).
uint32_t clx_receiver_drops(const clx_receiver *receiver);

// ---- Sending (UDPSend.c) ----

typedef struct clx_sender clx_sender;
/// Stands for sendmmsg(2) and returns as clx_transmit does. Tests put a faulty one in its place.
typedef int (*clx_transmitter)(int fd, void *headers, unsigned count);

/// Headers for `headers` sends made of at most `vectors` pieces together, prepared once. NULL: no memory.
clx_sender *clx_sender_create(unsigned headers, unsigned vectors);
void clx_sender_destroy(clx_sender *sender);
void clx_sender_set_transmitter(clx_sender *sender, clx_transmitter transmitter);
/// Forgets all prepared sends.
void clx_sender_clear(clx_sender *sender);
/// Starts the next send; no destination: that of a connected socket. No source: the socket's own address, else one of the machine's
/// addresses (IP_PKTINFO, IPV6_PKTINFO). `segment` is the length of each datagram it is cut into, 0 for one datagram. The caller
/// keeps within the sender's sizes.
void clx_sender_open(clx_sender *sender, const clx_address *destination, const clx_address *source, uint16_t segment);
/// Appends octets, not copied, to the send opened last; what follows its predecessor in memory costs no piece.
void clx_sender_add(clx_sender *sender, const void *octets, size_t length);
/// Sends the prepared ones from `first` on through a socket. Returns how many left (at least 1) or -errno.
int clx_sender_transmit(clx_sender *sender, int fd, unsigned first);

/// sendmmsg(2) without waiting: how many of the headers left (at least 1) or -errno.
int clx_transmit(int fd, void *headers, unsigned count);
/// For test transmitters: the segment length of a header, 0 when it is one datagram.
unsigned clx_header_segment(const void *headers, unsigned index);

// ---- The error queue (UDPErrors.c) ----

/// One entry of a socket's error queue (IP_RECVERR): an ICMP answer to something sent, or a local failure.
typedef struct clx_error {
  /// Where the failed datagram was to go.
  clx_address destination;
  int32_t error;
  /// SO_EE_ORIGIN_*: 1 local, 2 ICMP, 3 ICMPv6.
  uint8_t origin;
  uint8_t type;
  uint8_t code;
  uint8_t padding;
  /// How much of the failed datagram's payload the kernel gave back.
  uint32_t length;
  uint8_t octets[1532];
} clx_error;

/// Returns 1 and an entry, 0 when the queue is empty, or -errno.
int clx_udp_read_error(int fd, clx_error *error);

// ---- Media (Media.c) ----

/// Takes one datagram without waiting: its octets as far as there is room, its source, and the kernel's stamp as in clx_datagram. Returns
/// its whole length, which may be more than `room`, or -errno.
int64_t clx_media_receive(int fd, void *octets, size_t room, clx_address *source, int64_t *stamp);
/// Sends one datagram without waiting, from one of the machine's addresses or, with NULL, the socket's own. An ICMP error that waits to
/// be told is passed over. Returns 0 or -errno.
int clx_media_send(int fd, const void *octets, size_t length, const clx_address *destination, const clx_address *source);

// ---- Streams (Streams.c) ----

/// A non-blocking, close-on-exec TCP socket that listens at `local` (port 0: the kernel chooses). Returns the descriptor or -errno.
int clx_stream_listen(const clx_address *local);
/// Takes the next connection of a listener, non-blocking and close-on-exec, without delay of short writes. Returns the
/// descriptor or -errno.
int clx_stream_accept(int listener, clx_address *peer);
/// Begins a connection from `local`'s host (any port) to `remote`. `timeout` milliseconds without an acknowledgement end
/// it (TCP_USER_TIMEOUT). `traffic_class` as in clx_set_traffic_class, from the first segment on; 0: none. Returns the descriptor, which is writable when the outcome is known, or -errno.
int clx_stream_connect(const clx_address *local, const clx_address *remote, unsigned timeout, uint8_t traffic_class);
/// The same time limit for a connection that was accepted.
void clx_stream_limit(int fd, unsigned timeout);
/// What became of a connection that was begun: 0 it stands, else -errno.
int clx_stream_outcome(int fd);
/// Reads without waiting. Returns how many octets, 0 at the end of the stream, or -errno.
int64_t clx_stream_read(int fd, void *octets, size_t room);
/// One piece of what is written, as writev(2) takes it.
typedef struct clx_piece {
  const void *octets;
  size_t length;
} clx_piece;
enum { CLX_MOST_PIECES = 1024 };
/// Writes without waiting and without SIGPIPE, up to CLX_MOST_PIECES pieces. Returns how many octets, or -errno.
int64_t clx_stream_write(int fd, const clx_piece *pieces, unsigned count);

/// What a descriptor of a watch is ready for.
enum { CLX_READABLE = 1, CLX_WRITABLE = 2, CLX_BROKEN = 4 };
typedef struct clx_readiness {
  uint32_t mark;
  uint32_t ready;
} clx_readiness;

/// An epoll instance. Returns its descriptor or -errno.
int clx_watch_create(void);
/// Watches a descriptor for CLX_READABLE, CLX_WRITABLE or both; `mark` names it. `is_shared`: another thread's watch has it
/// too, and one of them is woken. Returns 0 or -errno.
int clx_watch_add(int watch, int fd, uint32_t mark, uint32_t interest, int is_shared);
int clx_watch_change(int watch, int fd, uint32_t mark, uint32_t interest);
void clx_watch_remove(int watch, int fd);
/// What is ready now, without waiting. Returns how many were written to `found`.
int clx_watch_look(int watch, clx_readiness *found, unsigned room);
/// How many descriptors the process may have open; raises the limit as far as it goes.
unsigned clx_raise_descriptor_limit(void);

// ---- Clocks, waiting, threads (Threads.c) ----

/// CLOCK_MONOTONIC, CLOCK_REALTIME and the calling thread's CPU time, in nanoseconds.
int64_t clx_monotonic(void);
int64_t clx_realtime(void);
int64_t clx_thread_cpu(void);

enum { CLX_READY_SOCKET = 1, CLX_READY_ERROR = 2, CLX_READY_EVENT = 4 };
/// Waits until one of two sockets or a watch has something or the event is signalled (-1: none of its kind), at most
/// `timeout` nanoseconds. Returns a mask of CLX_READY_*, 0 on time-out or signal.
int clx_wait(int fd, int beside, int watch, int event, int64_t timeout);
/// Sleeps until CLOCK_MONOTONIC reads `deadline`, or a signal comes.
void clx_sleep_until(int64_t deadline);
/// One turn of a waiting loop that does not sleep.
static inline void clx_relax(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ __volatile__("yield");
#endif
}

/// An eventfd, non-blocking and close-on-exec. Returns the descriptor or -errno.
int clx_event_create(void);
void clx_event_signal(int event);
void clx_event_clear(int event);

/// Makes the calling thread's sleeps end within `nanoseconds` of their time; the kernel's default is 50 microseconds.
int clx_set_timer_slack(uint64_t nanoseconds);
/// The calling thread's niceness, -20 to 19. Returns 0 or -errno.
int clx_set_niceness(int niceness);
/// Keeps the calling thread on one of the CPUs the process may use, the `index`-th modulo their number.
int clx_pin_thread(unsigned index);
/// Names the calling thread, at most 15 characters.
void clx_name_thread(const char *name);

/// An anonymous file in memory (memfd_create), close-on-exec. Returns the descriptor or -errno.
int clx_memory_file(const char *name);

/// Asks for a cache line that will be written soon: work that does not need it goes on meanwhile.
static inline void clx_prefetch(const void *address) { __builtin_prefetch(address, 1, 3); }

#endif
