// Reading a SIP message in one pass over its lines, and writing text into one. Part of peer.c.

struct text {
    const char *at;
    int length;
};

enum method { NO_METHOD, INVITE, ACK, BYE, OPTIONS, REGISTER, OTHER };

// Whole header lines with their CRLF, so that an answer can copy them as they came.
struct message {
    int status;          // 0 for a request
    enum method method;  // of a request its own, of a response the one in CSeq
    struct text from, to, call_id, cseq, contact;
    struct text via[MOST_VIAS], record_route[MOST_ROUTES];
    int vias, record_routes;
    bool has_credentials;
};

static enum method method_of(const char *p, const char *end) {
    long n = end - p;
    if (n > 6 && !memcmp(p, "INVITE", 6)) return INVITE;
    if (n > 3 && !memcmp(p, "ACK", 3)) return ACK;
    if (n > 3 && !memcmp(p, "BYE", 3)) return BYE;
    if (n > 7 && !memcmp(p, "OPTIONS", 7)) return OPTIONS;
    if (n > 8 && !memcmp(p, "REGISTER", 8)) return REGISTER;
    return OTHER;
}

// Whether the line at p carries the header `name` or its compact form (0: it has none). RFC 3261 §7.3.1, §7.3.3.
static inline bool names(const char *p, const char *name, int length, char compact) {
    if (compact && (p[1] == ':' || p[1] == ' ' || p[1] == '\t')) return (p[0] | 0x20) == compact;
    return !strncasecmp(p, name, (size_t)length) && (p[length] == ':' || p[length] == ' ' || p[length] == '\t');
}

static const char *after_colon(const char *p, const char *end) {
    while (p < end && *p != ':') p++;
    while (++p < end && (*p == ' ' || *p == '\t')) {}
    return p;
}

// One pass over the lines. A NUL stands behind the last octet. False: not a SIP message with what a dialog needs.
static bool read_message(const char *p, int length, struct message *m) {
    const char *end = p + length;
    m->vias = m->record_routes = 0;
    m->has_credentials = false;
    m->from.at = m->to.at = m->call_id.at = m->cseq.at = m->contact.at = NULL;
    if (length < 16) return false;
    if (!memcmp(p, "SIP/2.0 ", 8)) {
        m->status = (p[8] - '0') * 100 + (p[9] - '0') * 10 + (p[10] - '0');
        m->method = NO_METHOD;
    } else {
        m->status = 0;
        m->method = method_of(p, end);
    }
    const char *newline = memchr(p, '\n', (size_t)length);
    while (newline) {
        const char *line = newline + 1;
        if (line >= end || *line == '\r' || *line == '\n') break;
        newline = memchr(line, '\n', (size_t)(end - line));
        while (newline && newline + 1 < end && (newline[1] == ' ' || newline[1] == '\t'))  // folded: RFC 3261 §7.3.1
            newline = memchr(newline + 1, '\n', (size_t)(end - newline - 1));
        if (!newline) return false;
        struct text whole = {line, (int)(newline + 1 - line)};
        switch (*line | 0x20) {
        case 'v':
            if (names(line, "via", 3, 'v')) {
                if (m->vias == MOST_VIAS) return false;
                m->via[m->vias++] = whole;
            }
            break;
        case 'f':
            if (names(line, "from", 4, 'f')) m->from = whole;
            break;
        case 't':
            if (names(line, "to", 2, 't')) m->to = whole;
            break;
        case 'i':
            if (names(line, "i", 1, 'i')) m->call_id = whole;
            break;
        case 'm':
            if (names(line, "m", 1, 'm')) m->contact = whole;
            break;
        case 'a':
            if (names(line, "authorization", 13, 0)) m->has_credentials = true;
            break;
        case 'r':
            if (names(line, "record-route", 12, 0)) {
                if (m->record_routes == MOST_ROUTES) return false;
                m->record_route[m->record_routes++] = whole;
            }
            break;
        case 'c':
            if (names(line, "call-id", 7, 0)) m->call_id = whole;
            else if (names(line, "contact", 7, 0)) m->contact = whole;
            else if (names(line, "cseq", 4, 0)) {
                m->cseq = whole;
                if (m->status) {
                    const char *q = after_colon(line, newline);
                    while (q < newline && *q >= '0' && *q <= '9') q++;
                    while (q < newline && *q == ' ') q++;
                    m->method = method_of(q, newline);
                }
            }
            break;
        }
    }
    return m->vias && m->from.at && m->to.at && m->call_id.at && m->cseq.at;
}

// The URI inside a Contact line: between angle brackets, or up to the first parameter.
static struct text contact_uri(struct text line) {
    const char *end = line.at + line.length;
    const char *p = memchr(line.at, '<', (size_t)line.length);
    if (p) {
        p++;
        const char *close = memchr(p, '>', (size_t)(end - p));
        return (struct text){p, close ? (int)(close - p) : 0};
    }
    p = after_colon(line.at, end);
    const char *q = p;
    while (q < end && *q != ';' && *q != ',' && *q != '\r' && *q != '\n' && *q != ' ') q++;
    return (struct text){p, (int)(q - p)};
}

static bool has_tag(struct text to) {
    const char *end = to.at + to.length, *p = memchr(to.at, '>', (size_t)to.length);
    for (p = p ? p : to.at; p + 5 < end; p++)
        if (*p == ';' && !strncasecmp(p + 1, "tag=", 4)) return true;
    return false;
}

#define LITERAL(q, s) (memcpy(q, s, sizeof(s) - 1), (q) + sizeof(s) - 1)

static inline char *put(char *q, struct text t) {
    memcpy(q, t.at, (size_t)t.length);
    return q + t.length;
}

static inline char *put_digits(char *q, unsigned long value, int digits) {
    for (int i = digits - 1; i >= 0; i--, value /= 10) q[i] = (char)('0' + value % 10);
    return q + digits;
}

static inline char *put_hex(char *q, uint64_t value, int digits) {
    for (int i = digits - 1; i >= 0; i--, value >>= 4) q[i] = "0123456789abcdef"[value & 15];
    return q + digits;
}
