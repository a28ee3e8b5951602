// The caller: starts calls, acknowledges and hangs up what was answered. Part of peer.c.

enum call_state { NOT_STARTED, INVITED, HUNG_UP, ENDED };
static uint8_t *state;  // by call number
static char run_id[RUN_DIGITS + 1];

// Our requests are written once with zeros for the call's number, then copied and filled in.
static struct {
    char octets[LARGEST_MESSAGE];
    int length, branch_at, tag_at, call_id_at;
} invite;

// The fixed parts of ACK and BYE: from behind the Request-URI to the Via's branch, the From line, the end of the Call-ID.
static struct {
    char via[256], from[512], call_id[256];
    int via_length, from_length, call_id_length, tag_at;
} within_dialog;

static void prepare_requests(void) {
    char address[INET_ADDRSTRLEN], target[INET_ADDRSTRLEN + 8], peer[INET_ADDRSTRLEN];
    inet_ntop(AF_INET, &options.local.sin_addr, address, sizeof address);
    inet_ntop(AF_INET, &options.target.sin_addr, peer, sizeof peer);
    snprintf(target, sizeof target, "%s:%d", peer, ntohs(options.target.sin_port));
    const char *domain = options.domain ? options.domain : target;
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    uint64_t mixed = ((uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec) * 0xff51afd7ed558ccdull ^ (uint64_t)getpid();
    put_hex(run_id, mixed >> 20, RUN_DIGITS);
    int port = ntohs(options.local.sin_port);
    within_dialog.via_length = snprintf(within_dialog.via, sizeof within_dialog.via,
                                        " SIP/2.0\r\nVia: SIP/2.0/%s %s:%d;branch=z9hG4bK%s",
                                        options.tcp ? "TCP" : "UDP", address, port, run_id);
    within_dialog.from_length = snprintf(within_dialog.from, sizeof within_dialog.from,
                                         "From: <sip:peer@%s>;tag=%s0000000000\r\n", domain, run_id);
    within_dialog.tag_at = within_dialog.from_length - 2 - CALL_DIGITS;
    within_dialog.call_id_length = snprintf(within_dialog.call_id, sizeof within_dialog.call_id, "@%s\r\n", address);
    char *q = invite.octets;
    q += sprintf(q, "INVITE sip:%s@%s", options.user, domain);
    q = put(q, (struct text){within_dialog.via, within_dialog.via_length});
    invite.branch_at = (int)(q - invite.octets);
    q = LITERAL(q, "00000000001\r\n");
    invite.tag_at = (int)(q - invite.octets) + within_dialog.tag_at;
    q = put(q, (struct text){within_dialog.from, within_dialog.from_length});
    q += sprintf(q, "To: <sip:%s@%s>\r\nCall-ID: %s", options.user, domain, run_id);
    invite.call_id_at = (int)(q - invite.octets);
    q = LITERAL(q, "0000000000");
    q = put(q, (struct text){within_dialog.call_id, within_dialog.call_id_length});
    q = put(LITERAL(q, "CSeq: 1 INVITE\r\n"), own_contact);
    q = put(LITERAL(q, "Max-Forwards: 70\r\nSubject: Performance\r\n"), own_session);
    invite.length = (int)(q - invite.octets);
}

static void start_call(void) {
    unsigned long call = (unsigned long)count.started++;
    state[call] = INVITED;
    char *start = begin(FIRST_LANE, &options.target);
    memcpy(start, invite.octets, (size_t)invite.length);
    put_digits(start + invite.branch_at, call, CALL_DIGITS);
    put_digits(start + invite.tag_at, call, CALL_DIGITS);
    put_digits(start + invite.call_id_at, call, CALL_DIGITS);
    send_written(FIRST_LANE, start, start + invite.length);
}

// The Record-Route values of a response, reversed: the caller's route set (RFC 3261 §12.1.2).
static char *put_routes(char *q, const struct message *m) {
    for (int i = m->record_routes - 1; i >= 0; i--) {
        struct text line = m->record_route[i], value[MOST_ROUTES];
        const char *end = line.at + line.length, *p = after_colon(line.at, end), *first = p;
        int values = 0;
        for (bool inside = false; p < end; p++) {
            if (*p == '<') inside = true;
            if (*p == '>') inside = false;
            if ((*p == ',' && !inside) || *p == '\r' || *p == '\n') {
                if (values < MOST_ROUTES) value[values++] = (struct text){first, (int)(p - first)};
                first = p + 1;
                if (*p != ',') break;
            }
        }
        while (values--) q = LITERAL(put(LITERAL(q, "Route: "), value[values]), "\r\n");
    }
    return q;
}

static void send_within_dialog(enum lane_name k, const char *method, char branch_suffix, const char *cseq,
                               unsigned long call, struct text uri, const struct message *m) {
    char *start = begin(k, &options.target);
    char *q = put(start, (struct text){method, (int)strlen(method)});
    q = put(put(q, uri), (struct text){within_dialog.via, within_dialog.via_length});
    q = put_digits(q, call, CALL_DIGITS);
    *q++ = branch_suffix;
    q = LITERAL(q, "\r\n");
    if (m->status < 300) q = put_routes(q, m);
    char *from = q;
    q = put(q, (struct text){within_dialog.from, within_dialog.from_length});
    put_digits(from + within_dialog.tag_at, call, CALL_DIGITS);
    q = put(q, m->to);
    q = put(LITERAL(q, "Call-ID: "), (struct text){run_id, RUN_DIGITS});
    q = put_digits(q, call, CALL_DIGITS);
    q = put(q, (struct text){within_dialog.call_id, within_dialog.call_id_length});
    q = put(q, (struct text){cseq, (int)strlen(cseq)});
    send_written(k, start, LITERAL(q, "Max-Forwards: 70\r\nContent-Length: 0\r\n\r\n"));
}

static void end_call(unsigned long call, bool completed) {
    state[call] = ENDED;
    if (completed) count.completed++;
    else count.refused++;
    if (!options.rate && count.started < options.calls) start_call();
}

static void follow(const char *octets, int length) {
    struct message m;
    if (!read_message(octets, length, &m)) {
        count.malformed++;
        return;
    }
    const char *id = after_colon(m.call_id.at, m.call_id.at + m.call_id.length);
    unsigned long call = 0;
    long id_length = m.call_id.at + m.call_id.length - id;
    if (!m.status || id_length < RUN_DIGITS + CALL_DIGITS || memcmp(id, run_id, RUN_DIGITS)) {
        count.unexpected++;
        return;
    }
    for (int i = 0; i < CALL_DIGITS; i++) call = call * 10 + (unsigned long)(id[RUN_DIGITS + i] - '0');
    if (call >= (unsigned long)count.started) {
        count.unexpected++;
        return;
    }
    if (m.status < 200) {
        count.provisionals++;
    } else if (m.method == INVITE && m.status < 300) {
        struct text uri = m.contact.at ? contact_uri(m.contact) : (struct text){0};
        if (!uri.length) {
            count.malformed++;
            return;
        }
        send_within_dialog(SECOND_LANE, "ACK ", '2', "CSeq: 1 ACK\r\n", call, uri, &m);
        if (state[call] == INVITED) {
            state[call] = HUNG_UP;
            send_within_dialog(THIRD_LANE, "BYE ", '3', "CSeq: 2 BYE\r\n", call, uri, &m);
        } else {
            count.repeats++;
        }
    } else if (m.method == INVITE) {  // refused: this ACK belongs to the INVITE's transaction (RFC 3261 §17.1.1.3)
        const char *uri = invite.octets + 7;
        int uri_length = (int)((const char *)strchr(uri, ' ') - uri);
        send_within_dialog(SECOND_LANE, "ACK ", '1', "CSeq: 1 ACK\r\n", call, (struct text){uri, uri_length}, &m);
        if (state[call] == INVITED) end_call(call, false);
        else count.repeats++;
    } else if (m.method == BYE) {
        if (state[call] == HUNG_UP) end_call(call, m.status < 300);
        else count.repeats++;
    } else {
        count.unexpected++;
    }
}
