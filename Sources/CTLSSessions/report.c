#define _GNU_SOURCE
#include "internal.h"

#include <errno.h>
#include <string.h>

static cts_cause cause_of_verify_code(int code) {
    switch (code) {
    case X509_V_ERR_CERT_HAS_EXPIRED:
        return CTS_CAUSE_EXPIRED;
    case X509_V_ERR_CERT_NOT_YET_VALID:
        return CTS_CAUSE_NOT_YET_VALID;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        return CTS_CAUSE_SELF_SIGNED;
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
    case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
    case X509_V_ERR_CERT_SIGNATURE_FAILURE: // a CA of the same name with another key
    case X509_V_ERR_AKID_SKID_MISMATCH:
    case X509_V_ERR_CERT_UNTRUSTED:
        return CTS_CAUSE_UNKNOWN_AUTHORITY;
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
        return CTS_CAUSE_WRONG_NAME;
    default:
        return CTS_CAUSE_CERTIFICATE_REFUSED;
    }
}

/// OpenSSL's reasons for alerts that came from the peer are the alert's number and this.
enum { alert_base = SSL_AD_REASON_OFFSET };

static int alert_of(unsigned long error) {
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    return reason >= alert_base && reason < alert_base + 256 ? reason - alert_base : -1;
}

static cts_cause cause_of_alert(const cts_session *session, int alert) {
    bool without_certificate = session->certificate_asked && !session->context->has_certificate;
    switch (alert) {
    case SSL_AD_HANDSHAKE_FAILURE:
        return without_certificate ? CTS_CAUSE_CERTIFICATE_WANTED : CTS_CAUSE_NO_COMMON_CIPHER;
    case SSL_AD_INSUFFICIENT_SECURITY:
        return CTS_CAUSE_NO_COMMON_CIPHER;
    case SSL_AD_PROTOCOL_VERSION:
        return CTS_CAUSE_NO_COMMON_VERSION;
    case TLS13_AD_CERTIFICATE_REQUIRED:
        return CTS_CAUSE_CERTIFICATE_WANTED;
    case SSL_AD_BAD_CERTIFICATE:
    case SSL_AD_UNSUPPORTED_CERTIFICATE:
    case SSL_AD_CERTIFICATE_REVOKED:
    case SSL_AD_CERTIFICATE_EXPIRED:
    case SSL_AD_CERTIFICATE_UNKNOWN:
    case SSL_AD_UNKNOWN_CA:
    case SSL_AD_ACCESS_DENIED:
        if (session->context->has_certificate) return CTS_CAUSE_OWN_CERTIFICATE_REFUSED;
        return without_certificate ? CTS_CAUSE_CERTIFICATE_WANTED : CTS_CAUSE_ALERT;
    default:
        return CTS_CAUSE_ALERT;
    }
}

/// Every record of TLS begins with its type, 20 to 24, and the major version 3.
static bool is_other_protocol(const cts_session *session) {
    if (session->first_count == 0) return false;
    if (session->first[0] < 20 || session->first[0] > 24) return true;
    return session->first_count > 1 && session->first[1] != 3;
}

static cts_cause cause_of_error(const cts_session *session, unsigned long error) {
    int reason = ERR_GET_LIB(error) == ERR_LIB_SSL ? ERR_GET_REASON(error) : 0;
    if (alert_of(error) >= 0) return cause_of_alert(session, alert_of(error));
    switch (reason) {
    case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
        return CTS_CAUSE_PEER_WITHOUT_CERTIFICATE;
    case SSL_R_NO_SHARED_CIPHER:
    case SSL_R_NO_CIPHERS_AVAILABLE:
    case SSL_R_NO_SUITABLE_KEY_SHARE:
    case SSL_R_NO_SUITABLE_SIGNATURE_ALGORITHM:
    case SSL_R_NO_SHARED_SIGNATURE_ALGORITHMS:
    case SSL_R_NO_SUITABLE_GROUPS:
        return CTS_CAUSE_NO_COMMON_CIPHER;
    case SSL_R_UNSUPPORTED_PROTOCOL:
    case SSL_R_NO_PROTOCOLS_AVAILABLE:
    case SSL_R_VERSION_TOO_LOW:
    case SSL_R_VERSION_TOO_HIGH:
    case SSL_R_WRONG_SSL_VERSION:
    case SSL_R_UNKNOWN_PROTOCOL:
        return CTS_CAUSE_NO_COMMON_VERSION;
    default:
        break;
    }
    if (session->failed_in_handshake && is_other_protocol(session)) return CTS_CAUSE_NOT_TLS;
    return CTS_CAUSE_BROKEN;
}

void cts_classify(cts_session *session, int ssl_error) {
    session->error = ERR_peek_error();
    int reason = ERR_GET_LIB(session->error) == ERR_LIB_SSL ? ERR_GET_REASON(session->error) : 0;
    bool out_of_memory = ERR_GET_REASON(session->error) == ERR_R_MALLOC_FAILURE;
    ERR_clear_error();
    bool lost = ssl_error == SSL_ERROR_SYSCALL || reason == SSL_R_UNEXPECTED_EOF_WHILE_READING
        || (session->error == 0 && ssl_error == SSL_ERROR_SSL);
    if (session->refusal != NULL && session->failed_in_handshake) {
        session->cause = cause_of_verify_code(session->refusal->code);
    } else if (lost) {
        // in TLS 1.3 the client is done before the server has looked at its certificate, and may learn it this way
        bool perhaps_certificate = session->certificate_asked && !session->context->has_certificate
            && !session->carried_octets;
        if (perhaps_certificate) {
            session->cause = CTS_CAUSE_CERTIFICATE_WANTED;
        } else if (session->failed_in_handshake && is_other_protocol(session)) {
            session->cause = CTS_CAUSE_NOT_TLS;
        } else if (session->system_error != 0 && !session->failed_in_handshake) {
            session->cause = CTS_CAUSE_CONNECTION_LOST;
        } else {
            session->cause = CTS_CAUSE_CUT_OFF;
        }
    } else {
        session->cause = out_of_memory ? CTS_CAUSE_MEMORY : cause_of_error(session, session->error);
    }
}

cts_report cts_session_report(const cts_session *session) {
    cts_report report = {
        .cause = session->cause,
        .server = session->context->server,
        .during_handshake = session->failed_in_handshake,
        .alert = alert_of(session->error),
        .system_error = session->system_error,
        .octets_received = session->octets_received,
        .first_count = session->first_count,
        .reason = session->error != 0 ? ERR_reason_error_string(session->error) : NULL,
    };
    memcpy(report.first, session->first, session->first_count);
    if (session->target >= 0) report.expected_name = session->context->targets[session->target].name;
    const cts_refusal *refusal = session->refusal;
    if (refusal != NULL) {
        report.wildcard = refusal->wildcard;
        report.overruled_by_uri = refusal->overruled_by_uri;
        report.verify_code = refusal->code;
        report.verify_depth = refusal->depth;
        report.verify_words = X509_verify_cert_error_string(refusal->code);
        report.subject = refusal->subject;
        report.issuer = refusal->issuer;
        report.date = refusal->date;
        report.names = refusal->names;
    }
    return report;
}
