// One TCP connection in place of the socket for datagrams, with --tcp: what one round has to say leaves in one write, and what one
// read brings is cut into messages by their Content-Length (RFC 3261 §18.3). Part of peer.c.

enum { STREAM_BYTES = 1 << 20 };

static struct {
    int listener, socket;  // -1: none
    char *out, *in;
    int to_send, held;
    struct sockaddr_in peer;
} stream = {.listener = -1, .socket = -1};

static void stream_flush(void) {
    for (int sent = 0; sent < stream.to_send;) {
        ssize_t n = send(stream.socket, stream.out + sent, (size_t)(stream.to_send - sent), MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0) die("send");
        sent += (int)n;
    }
    stream.to_send = 0;
}

static char *stream_begin(void) {
    if (stream.to_send + LARGEST_MESSAGE > STREAM_BYTES) stream_flush();
    return stream.out + stream.to_send;
}

static void answer(const char *octets, int length, const struct sockaddr_in *from);  // callee.h
static void follow(const char *octets, int length);                                   // caller.h

// The length of the message that begins at p; 0: it is not all there.
static int stream_message(const char *p, int length) {
    const char *end = memmem(p, (size_t)length, "\r\n\r\n", 4);
    if (!end) return 0;
    static const char name[] = "\r\nContent-Length:";
    const char *field = memmem(p, (size_t)(end + 2 - p), name, sizeof name - 1);
    long body = field ? strtol(field + sizeof name - 1, NULL, 10) : 0;
    long whole = end + 4 - p + body;
    return whole <= length ? (int)whole : 0;
}

static void stream_close(void) {
    close(stream.socket);
    stream.socket = -1;
    stream.held = 0;
}

static void stream_patience(int socket) {
    struct timeval patience = {.tv_usec = 100000};
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    int one = 1;
    setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static int stream_receive(int flags) {
    if (stream.socket < 0) {
        if (stream.listener < 0) die("the connection was closed");
        struct pollfd waiting = {stream.listener, POLLIN, 0};
        socklen_t length = sizeof stream.peer;
        if (poll(&waiting, 1, 100) < 1) return 0;
        if ((stream.socket = accept(stream.listener, (struct sockaddr *)&stream.peer, &length)) < 0) die("accept");
        stream_patience(stream.socket);
    }
    ssize_t n = recv(stream.socket, stream.in + stream.held, (size_t)(STREAM_BYTES - stream.held), flags);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    if (n <= 0) {
        stream_close();
        return 0;
    }
    stream.held += (int)n;
    int at = 0, messages = 0;
    for (int one; at < stream.held && (one = stream_message(stream.in + at, stream.held - at)); at += one, messages++) {
        if (one > LARGEST_MESSAGE - 512) {
            count.malformed++;
            continue;
        }
        char behind = stream.in[at + one];
        stream.in[at + one] = 0;
        if (options.uas) answer(stream.in + at, one, &stream.peer);
        else follow(stream.in + at, one);
        stream.in[at + one] = behind;
    }
    stream.held -= at;
    if (stream.held && at) memmove(stream.in, stream.in + at, (size_t)stream.held);
    return messages;
}

static void stream_open(void) {
    stream.out = malloc(STREAM_BYTES + LARGEST_MESSAGE);
    stream.in = malloc(STREAM_BYTES + 1);
    int socket_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    if (!stream.out || !stream.in || socket_ < 0) die("socket");
    setsockopt(socket_, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(socket_, (struct sockaddr *)&options.local, sizeof options.local)) die("bind");
    if (options.uas) {
        if (listen(socket_, 16)) die("listen");
        stream.listener = socket_;
    } else {
        if (connect(socket_, (struct sockaddr *)&options.target, sizeof options.target)) die("connect");
        stream_patience(socket_);
        stream.socket = socket_;
    }
    socklen_t length = sizeof options.local;
    getsockname(socket_, (struct sockaddr *)&options.local, &length);
}
