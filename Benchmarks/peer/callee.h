// The callee: answers INVITE, ACK, BYE and OPTIONS from what they carry, and counts the calls; to REGISTER it is a registrar that
// asks for credentials and takes any. Part of peer.c.

// The calls in progress, as hashes of their Call-IDs: a repeated INVITE or BYE is answered, but is no further call.
static struct {
    uint64_t *key;  // 0: free
    size_t mask, used;
} held;

static uint64_t hash_of(struct text t) {
    uint64_t h = 0x9e3779b97f4a7c15ull ^ (uint64_t)t.length, word;
    for (; t.length >= 8; t.at += 8, t.length -= 8) {
        memcpy(&word, t.at, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdull;
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, t.at, (size_t)t.length);
    h = (h ^ word) * 0xc4ceb9fe1a85ec53ull;
    h ^= h >> 29;
    return h ? h : 1;
}

static size_t place_of(uint64_t key) {
    size_t i = key & held.mask;
    while (held.key[i] && held.key[i] != key) i = (i + 1) & held.mask;
    return i;
}

static bool remember(uint64_t key) {
    if (held.used * 2 > held.mask) {
        uint64_t *old = held.key;
        size_t capacity = held.mask + 1;
        held.mask = capacity * 2 - 1;
        held.key = calloc(capacity * 2, sizeof *held.key);
        if (!held.key) die("calloc");
        for (size_t i = 0; i < capacity; i++)
            if (old[i]) held.key[place_of(old[i])] = old[i];
        free(old);
    }
    size_t i = place_of(key);
    if (held.key[i]) return false;
    held.key[i] = key;
    held.used++;
    return true;
}

static bool forget(uint64_t key) {
    size_t i = place_of(key);
    if (!held.key[i]) return false;
    held.used--;
    for (size_t j = i;;) {  // close the gap: later entries of the same run move up
        held.key[i] = 0;
        size_t home;
        do {
            j = (j + 1) & held.mask;
            if (!held.key[j]) return true;
            home = held.key[j] & held.mask;
        } while (i <= j ? (i < home && home <= j) : (i < home || home <= j));
        held.key[i] = held.key[j];
        i = j;
    }
}

// Topmost Via first, with received and rport filled in where it asks for them (RFC 3581 §4).
static char *put_vias(char *q, const struct message *m, const struct sockaddr_in *from) {
    struct text top = m->via[0];
    const char *rport = memmem(top.at, (size_t)top.length, ";rport", 6);
    if (rport && rport[6] != '=' && (rport[6] == ';' || rport[6] == '\r' || rport[6] == ',' || rport[6] == ' ')) {
        char filled[64], address[INET_ADDRSTRLEN];
        inet_ntop(AF_INET, &from->sin_addr, address, sizeof address);
        int n = snprintf(filled, sizeof filled, ";received=%s;rport=%d", address, ntohs(from->sin_port));
        q = put(q, (struct text){top.at, (int)(rport - top.at)});
        q = put(q, (struct text){filled, n});
        q = put(q, (struct text){rport + 6, (int)(top.at + top.length - rport - 6)});
    } else {
        q = put(q, top);
    }
    for (int i = 1; i < m->vias; i++) q = put(q, m->via[i]);
    return q;
}

static char *put_answer(char *q, const char *status_line, const struct message *m, const struct sockaddr_in *from,
                        uint64_t tag, bool makes_dialog) {
    q = put(q, (struct text){status_line, (int)strlen(status_line)});
    q = put_vias(q, m, from);
    if (makes_dialog)
        for (int i = 0; i < m->record_routes; i++) q = put(q, m->record_route[i]);
    q = put(q, m->from);
    if (has_tag(m->to)) {
        q = put(q, m->to);
    } else {
        int length = m->to.length;
        while (length && (m->to.at[length - 1] == '\n' || m->to.at[length - 1] == '\r')) length--;
        q = put(q, (struct text){m->to.at, length});
        q = put_hex(LITERAL(q, ";tag="), tag, 16);
        q = LITERAL(q, "\r\n");
    }
    q = put(put(q, m->call_id), m->cseq);
    return makes_dialog ? put(q, own_contact) : q;
}

static void answer(const char *octets, int length, const struct sockaddr_in *from) {
    struct message m;
    if (!read_message(octets, length, &m)) {
        count.malformed++;
        return;
    }
    if (m.status) {
        count.unexpected++;
        return;
    }
    char *start, *q;
    uint64_t key = hash_of(m.call_id);
    switch (m.method) {
    case INVITE:
        if (remember(key)) count.started++;
        else count.repeats++;
        start = begin(FIRST_LANE, from);
        q = put_answer(start, "SIP/2.0 180 Ringing\r\n", &m, from, key, true);
        send_written(FIRST_LANE, start, LITERAL(q, "Content-Length: 0\r\n\r\n"));
        start = begin(SECOND_LANE, from);
        q = put_answer(start, "SIP/2.0 200 OK\r\n", &m, from, key, true);
        send_written(SECOND_LANE, start, put(q, own_session));
        break;
    case ACK:
        count.acknowledged++;
        break;
    case BYE:
        if (forget(key)) count.completed++;
        else count.repeats++;
        start = begin(THIRD_LANE, from);
        q = put_answer(start, "SIP/2.0 200 OK\r\n", &m, from, key, false);
        send_written(THIRD_LANE, start, LITERAL(q, "Content-Length: 0\r\n\r\n"));
        break;
    case REGISTER:
        start = begin(FIRST_LANE, from);
        if (m.has_credentials) {
            if (forget(key)) count.completed++;
            else count.repeats++;
            q = put_answer(start, "SIP/2.0 200 OK\r\n", &m, from, key, false);
            q = put(q, m.contact);
        } else {
            if (remember(key)) count.started++;
            else count.repeats++;
            q = put_answer(start, "SIP/2.0 401 Unauthorized\r\n", &m, from, key, false);
            q = LITERAL(q, "WWW-Authenticate: Digest realm=\"example.test\", nonce=\"");
            q = put_hex(q, key, 16);
            q = LITERAL(q, "\", qop=\"auth\", algorithm=MD5\r\n");
        }
        send_written(FIRST_LANE, start, LITERAL(q, "Content-Length: 0\r\n\r\n"));
        break;
    default:
        count.unexpected++;
        start = begin(THIRD_LANE, from);
        const char *status_line = m.method == OPTIONS ? "SIP/2.0 200 OK\r\n" : "SIP/2.0 501 Not Implemented\r\n";
        q = put_answer(start, status_line, &m, from, key, false);
        send_written(THIRD_LANE, start, LITERAL(q, "Content-Length: 0\r\n\r\n"));
    }
}
