#define _GNU_SOURCE
#include "internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/// Of a certificate's names in messages; whoever made the certificate chose their number and length.
enum { longest_name = 128, longest_list = 1024 };

void cts_refusal_free(cts_refusal *refusal) {
    if (refusal == NULL) return;
    free(refusal->subject);
    free(refusal->issuer);
    free(refusal->date);
    free(refusal->names);
    free(refusal);
}

/// Of a BIO in memory, ended by 0 and with nothing in it that a terminal would obey. Frees the BIO.
static char *printable(BIO *bio) {
    if (bio == NULL) return NULL;
    char *data = NULL;
    long length = BIO_get_mem_data(bio, &data);
    char *text = length >= 0 ? malloc((size_t)length + 1) : NULL;
    if (text != NULL) {
        for (long place = 0; place < length; place += 1) {
            text[place] = data[place] >= 0x20 && data[place] < 0x7F ? data[place] : '?';
        }
        text[length] = 0;
    }
    BIO_free(bio);
    return text;
}

static char *name_text(X509_NAME *name) {
    BIO *bio = BIO_new(BIO_s_mem());
    if (bio != NULL && X509_NAME_entry_count(name) > 0) {
        X509_NAME_print_ex(bio, name, 0, XN_FLAG_ONELINE & ~XN_FLAG_SPC_EQ);
    }
    return printable(bio);
}

static char *date_text(const ASN1_TIME *time) {
    BIO *bio = BIO_new(BIO_s_mem());
    struct tm parts;
    if (bio != NULL && time != NULL && ASN1_TIME_to_tm(time, &parts) == 1) {
        BIO_printf(
            bio, "%04d-%02d-%02d %02d:%02d:%02d UTC", parts.tm_year + 1900, parts.tm_mon + 1, parts.tm_mday,
            parts.tm_hour, parts.tm_min, parts.tm_sec);
    }
    return printable(bio);
}

static void list_name(BIO *bio, const char *kind, const void *octets, int length) {
    if (BIO_ctrl_pending(bio) > longest_list) return;
    if (BIO_ctrl_pending(bio) > 0) BIO_puts(bio, ", ");
    BIO_puts(bio, kind);
    BIO_write(bio, octets, length < longest_name ? length : longest_name);
    if (BIO_ctrl_pending(bio) > longest_list) BIO_puts(bio, ", and more");
}

/// What is looked for, and what was found on the way.
typedef struct {
    const cts_target *target;
    BIO *list;
    bool found;
    bool found_as_dns;
    bool has_sip_uri;
    bool wildcard;
} search;

/// RFC 5922 §7.2: case does not count; suffixes and wildcards do not match. The length is compared too, for a name may
/// hold a 0.
static bool same_name(const cts_target *target, const unsigned char *octets, int length) {
    if (length > 1 && octets[length - 1] == '.') length -= 1;
    return length > 0 && (size_t)length == strlen(target->name)
        && strncasecmp((const char *)octets, target->name, (size_t)length) == 0;
}

static void look_at_uri(search *search, const unsigned char *octets, int length) {
    list_name(search->list, "URI:", octets, length);
    if (length < 4 || strncasecmp((const char *)octets, "sip:", 4) != 0) return;
    octets += 4;
    length -= 4;
    if (memchr(octets, '@', (size_t)length) != NULL) return; // a user and not a domain
    search->has_sip_uri = true;
    int end = 0;
    if (length > 0 && octets[0] == '[') {
        while (end < length && octets[end] != ']') end += 1;
        if (end < length) end += 1;
    } else {
        while (end < length && octets[end] != ':' && octets[end] != ';' && octets[end] != '?') end += 1;
    }
    if (same_name(search->target, octets, end)) search->found = true;
}

static void look_at(search *search, const GENERAL_NAME *name) {
    if (name->type == GEN_URI) {
        const ASN1_STRING *text = name->d.uniformResourceIdentifier;
        look_at_uri(search, ASN1_STRING_get0_data(text), ASN1_STRING_length(text));
    } else if (name->type == GEN_DNS) {
        const unsigned char *octets = ASN1_STRING_get0_data(name->d.dNSName);
        int length = ASN1_STRING_length(name->d.dNSName);
        list_name(search->list, "DNS:", octets, length);
        if (length > 1 && octets[0] == '*') search->wildcard = true;
        if (search->target->address_length == 0 && same_name(search->target, octets, length)) {
            search->found_as_dns = true;
        }
    } else if (name->type == GEN_IPADD) {
        const unsigned char *octets = ASN1_STRING_get0_data(name->d.iPAddress);
        int length = ASN1_STRING_length(name->d.iPAddress);
        ASN1_OCTET_STRING *address = name->d.iPAddress;
        char text[64];
        if (length == 4) {
            snprintf(text, sizeof text, "%d.%d.%d.%d", octets[0], octets[1], octets[2], octets[3]);
            list_name(search->list, "IP:", text, (int)strlen(text));
        } else if (length == 16) {
            size_t used = 0;
            for (int group = 0; group < 16; group += 2) {
                used += (size_t)snprintf(
                    text + used, sizeof text - used, "%s%x", group > 0 ? ":" : "",
                    octets[group] << 8 | octets[group + 1]);
            }
            list_name(search->list, "IP:", text, (int)used);
        }
        if (length == search->target->address_length && length > 0
            && memcmp(ASN1_STRING_get0_data(address), search->target->address, (size_t)length) == 0) {
            search->found = true;
        }
    }
}

/// RFC 5922 §7.1: sip URIs first; DNS names only where there is none; the CN only where there is no subjectAltName at
/// all. Addresses, of which the RFC does not speak, by iPAddress (RFC 5280 §4.2.1.6).
static bool is_for(X509 *certificate, search *search) {
    int critical = 0;
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, &critical, NULL);
    if (names != NULL) {
        for (int index = 0; index < sk_GENERAL_NAME_num(names); index += 1) {
            look_at(search, sk_GENERAL_NAME_value(names, index));
        }
        GENERAL_NAMES_free(names);
        return search->found || (search->found_as_dns && !search->has_sip_uri);
    }
    if (critical != -1) return false; // there, but unreadable
    X509_NAME *subject = X509_get_subject_name(certificate);
    for (int place = -1; (place = X509_NAME_get_index_by_NID(subject, NID_commonName, place)) >= 0;) {
        unsigned char *octets = NULL;
        int length = ASN1_STRING_to_UTF8(&octets, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, place)));
        if (length < 0) continue;
        list_name(search->list, "CN:", octets, length);
        if (length > 1 && octets[0] == '*') search->wildcard = true;
        if (search->target->address_length == 0 && same_name(search->target, octets, length)) search->found = true;
        OPENSSL_free(octets);
    }
    return search->found;
}

static void note(cts_session *session, X509_STORE_CTX *store, X509 *certificate, int code, int depth) {
    if (session->context->insecure) {
        session->overlooked = code;
        return;
    }
    cts_refusal *refusal = calloc(1, sizeof *refusal);
    if (refusal == NULL) return;
    (void)store;
    refusal->code = code;
    refusal->depth = depth;
    if (certificate != NULL) {
        refusal->subject = name_text(X509_get_subject_name(certificate));
        refusal->issuer = name_text(X509_get_issuer_name(certificate));
        if (code == X509_V_ERR_CERT_NOT_YET_VALID) refusal->date = date_text(X509_get0_notBefore(certificate));
        if (code == X509_V_ERR_CERT_HAS_EXPIRED) refusal->date = date_text(X509_get0_notAfter(certificate));
    }
    cts_refusal_free(session->refusal);
    session->refusal = refusal;
}

int cts_verify(X509_STORE_CTX *store, void *unused) {
    (void)unused;
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    cts_session *session = ssl != NULL ? SSL_get_app_data(ssl) : NULL;
    if (session == NULL) return 0;
    int verified = X509_verify_cert(store);
    int code = X509_STORE_CTX_get_error(store);
    if (verified <= 0) {
        if (code == X509_V_OK) code = X509_V_ERR_UNSPECIFIED;
        note(session, store, X509_STORE_CTX_get_current_cert(store), code, X509_STORE_CTX_get_error_depth(store));
    } else if (session->target >= 0 && session->context->targets[session->target].name != NULL) {
        X509 *certificate = X509_STORE_CTX_get0_cert(store);
        search search = {.target = &session->context->targets[session->target], .list = BIO_new(BIO_s_mem())};
        bool fits = search.list != NULL && is_for(certificate, &search);
        char *names = printable(search.list);
        if (fits) {
            free(names);
        } else {
            code = search.target->address_length > 0 ? X509_V_ERR_IP_ADDRESS_MISMATCH : X509_V_ERR_HOSTNAME_MISMATCH;
            note(session, store, certificate, code, 0);
            if (session->refusal != NULL) {
                session->refusal->names = names;
                session->refusal->wildcard = search.wildcard;
                session->refusal->overruled_by_uri = search.found_as_dns;
            } else {
                free(names);
            }
        }
    }
    if (session->context->insecure) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, code);
    return code == X509_V_OK;
}
