// The socket: messages leave and arrive in batches, or in segmented sends with --gso. Part of peer.c.

static int udp;
static struct {
    struct mmsghdr header[BATCH];
    struct iovec vector[BATCH];
    struct sockaddr_in to[BATCH];
    char (*slot)[SLOT];
    int used;
} out;

// With --gso, messages of one kind, length and destination collect in a lane and leave as one segmented send.
enum lane_name { FIRST_LANE, SECOND_LANE, THIRD_LANE, LANES };
static struct {
    char *octets;
    int used, segment, segments;
    struct sockaddr_in to;
} lane[LANES];

static void flush(void) {
    if (options.tcp) {
        stream_flush();
        return;
    }
    for (int sent = 0; sent < out.used;) {
        int n = sendmmsg(udp, out.header + sent, (unsigned)(out.used - sent), 0);
        if (n < 0 && (errno == EINTR || errno == EAGAIN || errno == ENOBUFS)) continue;
        if (n < 0) die("sendmmsg");
        sent += n;
    }
    out.used = 0;
    if (!options.gso) return;
    for (int k = 0; k < LANES; k++) {
        if (!lane[k].used) continue;
        struct iovec vector = {lane[k].octets, (size_t)lane[k].used};
        char control[CMSG_SPACE(sizeof(uint16_t))] = {0};
        struct msghdr header = {
            .msg_name = &lane[k].to, .msg_namelen = sizeof lane[k].to, .msg_iov = &vector, .msg_iovlen = 1};
        if (lane[k].segments > 1) {
            header.msg_control = control;
            header.msg_controllen = sizeof control;
            struct cmsghdr *c = CMSG_FIRSTHDR(&header);
            c->cmsg_level = SOL_UDP;
            c->cmsg_type = UDP_SEGMENT;
            c->cmsg_len = CMSG_LEN(sizeof(uint16_t));
            uint16_t segment = (uint16_t)lane[k].segment;
            memcpy(CMSG_DATA(c), &segment, sizeof segment);
        }
        while (sendmsg(udp, &header, 0) < 0)
            if (errno != EINTR && errno != EAGAIN && errno != ENOBUFS) die("sendmsg with UDP_SEGMENT");
        lane[k].used = lane[k].segments = 0;
    }
}

// Where the next message is written; `send_written` then hands it over. Nothing else may be begun in between.
static inline char *begin(enum lane_name k, const struct sockaddr_in *to) {
    if (options.tcp) return stream_begin();
    if (options.gso) {
        bool full = lane[k].used + LARGEST_MESSAGE > LANE_BYTES || lane[k].segments == LANE_SEGMENTS;
        bool elsewhere = lane[k].to.sin_port != to->sin_port || lane[k].to.sin_addr.s_addr != to->sin_addr.s_addr;
        if (full || (lane[k].used && elsewhere)) flush();
        lane[k].to = *to;
        return lane[k].octets + lane[k].used;
    }
    if (out.used == BATCH) flush();
    out.to[out.used] = *to;
    return out.slot[out.used];
}

static inline void send_written(enum lane_name k, char *start, char *end) {
    int length = (int)(end - start);
    if (options.tcp) {
        stream.to_send += length;
        return;
    }
    if (!options.gso) {
        out.vector[out.used++].iov_len = (size_t)length;
        return;
    }
    if (lane[k].used && lane[k].segment != length) {
        flush();
        memmove(lane[k].octets, start, (size_t)length);
    }
    lane[k].segment = length;
    lane[k].used += length;
    lane[k].segments++;
}

static struct {
    struct mmsghdr header[BATCH];
    struct iovec vector[BATCH];
    struct sockaddr_in from[BATCH];
    char control[BATCH][CMSG_SPACE(sizeof(int))];
    char *octets;
    int slot, batch;
} in;

// Handles what is there (waiting for the socket's time-out unless MSG_DONTWAIT) and returns the number of messages.
static int receive(int flags) {
    if (options.tcp) return stream_receive(flags);
    if (options.gso)
        for (int i = 0; i < in.batch; i++) in.header[i].msg_hdr.msg_controllen = sizeof in.control[i];
    int n = recvmmsg(udp, in.header, (unsigned)in.batch, MSG_WAITFORONE | flags, NULL), messages = 0;
    if (n < 0 && errno != EAGAIN && errno != EINTR) die("recvmmsg");
    for (int i = 0; i < n; i++) {
        char *p = in.vector[i].iov_base;
        int length = (int)in.header[i].msg_len, segment = length;
        if (options.gso)
            for (struct cmsghdr *c = CMSG_FIRSTHDR(&in.header[i].msg_hdr); c; c = CMSG_NXTHDR(&in.header[i].msg_hdr, c))
                if (c->cmsg_level == SOL_UDP && c->cmsg_type == UDP_GRO) memcpy(&segment, CMSG_DATA(c), sizeof segment);
        for (int at = 0; at < length; at += segment, messages++) {
            int one = length - at < segment ? length - at : segment;
            if (one > LARGEST_MESSAGE - 512) {  // an answer copies its headers and must fit a slot
                count.malformed++;
                continue;
            }
            char behind = p[at + one];
            p[at + one] = 0;
            if (options.uas) answer(p + at, one, &in.from[i]);
            else follow(p + at, one);
            p[at + one] = behind;
        }
    }
    return messages;
}

static void ask_for_buffer(int force, int polite) {
    int size = SOCKET_BUFFER;
    if (setsockopt(udp, SOL_SOCKET, force, &size, sizeof size)) setsockopt(udp, SOL_SOCKET, polite, &size, sizeof size);
}

static void open_socket(void) {
    if (options.tcp) {
        stream_open();
        return;
    }
    udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (udp < 0) die("socket");
    int one = 1;
    ask_for_buffer(SO_RCVBUFFORCE, SO_RCVBUF);
    ask_for_buffer(SO_SNDBUFFORCE, SO_SNDBUF);
    struct timeval patience = {.tv_usec = 100000};
    setsockopt(udp, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (options.gso && setsockopt(udp, SOL_UDP, UDP_GRO, &one, sizeof one)) die("UDP_GRO");
    if (bind(udp, (struct sockaddr *)&options.local, sizeof options.local)) die("bind");
    socklen_t length = sizeof options.local;
    getsockname(udp, (struct sockaddr *)&options.local, &length);

    in.batch = options.gso ? GRO_BATCH : BATCH;
    in.slot = options.gso ? GRO_SLOT : SLOT;
    in.octets = calloc((size_t)in.batch, (size_t)in.slot + 1);
    out.slot = calloc(BATCH, SLOT);
    if (!in.octets || !out.slot) die("calloc");
    for (int i = 0; i < BATCH; i++) {
        out.vector[i].iov_base = out.slot[i];
        out.header[i].msg_hdr = (struct msghdr){
            .msg_name = &out.to[i], .msg_namelen = sizeof out.to[i], .msg_iov = &out.vector[i], .msg_iovlen = 1};
        if (i >= in.batch) continue;
        in.vector[i] = (struct iovec){in.octets + (size_t)i * ((size_t)in.slot + 1), (size_t)in.slot};
        in.header[i].msg_hdr = (struct msghdr){
            .msg_name = &in.from[i], .msg_namelen = sizeof in.from[i], .msg_iov = &in.vector[i], .msg_iovlen = 1,
            .msg_control = options.gso ? in.control[i] : NULL,
            .msg_controllen = options.gso ? sizeof in.control[i] : 0};
    }
    for (int k = 0; options.gso && k < LANES; k++)
        if (!(lane[k].octets = malloc(LANE_BYTES + SLOT))) die("malloc");
}

static long dropped_by_socket(void) {
    if (options.tcp) return 0;
    uint32_t info[SK_MEMINFO_VARS] = {0};
    socklen_t length = sizeof info;
    return getsockopt(udp, SOL_SOCKET, SO_MEMINFO, info, &length) ? -1 : (long)info[SK_MEMINFO_DROPS];
}

// What every INVITE and 200 of ours carries: the Contact line, and the session description with its headers in front.
static struct text own_contact, own_session;

static void prepare_texts(void) {
    static char session[512], contact[160];
    char address[INET_ADDRSTRLEN], description[256];
    inet_ntop(AF_INET, &options.local.sin_addr, address, sizeof address);
    int n = snprintf(description, sizeof description,
                     "v=0\r\no=peer 53655765 2353687637 IN IP4 %s\r\ns=-\r\nc=IN IP4 %s\r\nt=0 0\r\n"
                     "m=audio 6000 RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\n", address, address);
    n = snprintf(session, sizeof session, "Content-Type: application/sdp\r\nContent-Length: %d\r\n\r\n%s", n,
                 description);
    own_session = (struct text){session, n};
    n = snprintf(contact, sizeof contact, "Contact: <sip:%s@%s:%d%s>\r\n", options.uas ? options.user : "peer", address,
                 ntohs(options.local.sin_port), options.tcp ? ";transport=tcp" : "");
    own_contact = (struct text){contact, n};
}
