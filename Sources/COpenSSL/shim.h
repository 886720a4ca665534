#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

// Macros and variadics that Swift cannot call.

static inline int sallyport_set_min_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_min_proto_version(context, version);
}

static inline int sallyport_set_max_version(SSL_CTX *context, int version) {
    return SSL_CTX_set_max_proto_version(context, version);
}

static inline void sallyport_disable_session_cache(SSL_CTX *context) {
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
}

static inline long sallyport_add_chain_certificate(SSL_CTX *context, X509 *certificate) {
    return SSL_CTX_add1_chain_cert(context, certificate);
}

static inline uint64_t sallyport_hardening_options(void) {
    return SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION;
}

static inline int sallyport_context_index(CRYPTO_EX_free *release) {
    return CRYPTO_get_ex_new_index(CRYPTO_EX_INDEX_SSL_CTX, 0, NULL, NULL, NULL, release);
}

static inline void sallyport_set_info_callback(
    SSL_CTX *context, void (*callback)(const SSL *connection, int kind, int value)) {
    SSL_CTX_set_info_callback(context, callback);
}

static inline EVP_PKEY *sallyport_make_p256(void) {
    return EVP_EC_gen("P-256");
}

static inline EVP_PKEY *sallyport_make_rsa(int bits) {
    return EVP_RSA_gen((size_t)bits);
}

static inline int sallyport_names_count(const GENERAL_NAMES *names) {
    return sk_GENERAL_NAME_num(names);
}

static inline GENERAL_NAME *sallyport_names_at(const GENERAL_NAMES *names, int index) {
    return sk_GENERAL_NAME_value(names, index);
}

static inline GENERAL_NAMES *sallyport_names_new(void) {
    return sk_GENERAL_NAME_new_null();
}

// Takes the bytes of a DNS name (GEN_DNS) or of an address in network order (GEN_IPADD). 1, or 0 when out of memory.
static inline int sallyport_names_add(GENERAL_NAMES *names, int type, const unsigned char *bytes, int count) {
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_STRING *text = ASN1_STRING_type_new(type == GEN_DNS ? V_ASN1_IA5STRING : V_ASN1_OCTET_STRING);
    if (name == NULL || text == NULL || ASN1_STRING_set(text, bytes, count) != 1) {
        GENERAL_NAME_free(name);
        ASN1_STRING_free(text);
        return 0;
    }
    GENERAL_NAME_set0_value(name, type, text);
    if (sk_GENERAL_NAME_push(names, name) <= 0) {
        GENERAL_NAME_free(name);
        return 0;
    }
    return 1;
}

// Control characters come out escaped; letters beyond ASCII stay as they are.
static inline unsigned long sallyport_name_format(void) {
    return XN_FLAG_ONELINE & ~ASN1_STRFLGS_ESC_MSB;
}

// RFC 4514, the most specific part first; letters beyond ASCII stay as they are.
static inline unsigned long sallyport_rfc4514_format(void) {
    return XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB;
}

static inline long sallyport_memory_contents(BIO *memory, char **bytes) {
    return BIO_get_mem_data(memory, bytes);
}
