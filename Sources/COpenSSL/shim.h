#pragma once
#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/pkcs7.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
// Glibc's module leaves it out; the check of a key file asks for access control lists by it.
#include <sys/xattr.h>

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

static inline EVP_PKEY *sallyport_make_p384(void) {
    return EVP_EC_gen("P-384");
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

// Stacks, which are macros.

static inline STACK_OF(X509) *sallyport_certificates_new(void) {
    return sk_X509_new_null();
}

static inline int sallyport_certificates_count(const STACK_OF(X509) *certificates) {
    return certificates == NULL ? 0 : sk_X509_num(certificates);
}

static inline X509 *sallyport_certificates_at(const STACK_OF(X509) *certificates, int index) {
    return sk_X509_value(certificates, index);
}

static inline int sallyport_safes_count(const STACK_OF(PKCS7) *safes) {
    return sk_PKCS7_num(safes);
}

static inline PKCS7 *sallyport_safes_at(const STACK_OF(PKCS7) *safes, int index) {
    return sk_PKCS7_value(safes, index);
}

static inline void sallyport_safes_free(STACK_OF(PKCS7) *safes) {
    sk_PKCS7_pop_free(safes, PKCS7_free);
}

static inline int sallyport_bags_count(const STACK_OF(PKCS12_SAFEBAG) *bags) {
    return sk_PKCS12_SAFEBAG_num(bags);
}

static inline const PKCS12_SAFEBAG *sallyport_bags_at(const STACK_OF(PKCS12_SAFEBAG) *bags, int index) {
    return sk_PKCS12_SAFEBAG_value(bags, index);
}

static inline void sallyport_bags_free(STACK_OF(PKCS12_SAFEBAG) *bags) {
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
}

static inline STACK_OF(X509_EXTENSION) *sallyport_extensions_new(void) {
    return sk_X509_EXTENSION_new_null();
}

// Takes over the extension. 1, or 0 when out of memory.
static inline int sallyport_extensions_add(STACK_OF(X509_EXTENSION) *extensions, X509_EXTENSION *extension) {
    if (sk_X509_EXTENSION_push(extensions, extension) > 0) return 1;
    X509_EXTENSION_free(extension);
    return 0;
}

static inline void sallyport_extensions_free(STACK_OF(X509_EXTENSION) *extensions) {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
}

// What a PKCS#7 structure holds; its parts may be missing whatever its type says.

// The certificates beside a signature (a .p7b file), lent; NULL when it is something else.
static inline STACK_OF(X509) *sallyport_signed_certificates(const PKCS7 *file) {
    return PKCS7_type_is_signed(file) && file->d.sign != NULL ? file->d.sign->cert : NULL;
}

static inline int sallyport_safe_is_plain(const PKCS7 *safe) {
    return PKCS7_type_is_data(safe) && safe->d.data != NULL;
}

// How an encrypted safe is encrypted, lent; NULL when it is none.
static inline const X509_ALGOR *sallyport_safe_encryption(const PKCS7 *safe) {
    if (!PKCS7_type_is_encrypted(safe) || safe->d.encrypted == NULL || safe->d.encrypted->enc_data == NULL) return NULL;
    return safe->d.encrypted->enc_data->algorithm;
}

static inline int64_t sallyport_number(const ASN1_INTEGER *number) {
    int64_t value = 0;
    if (number == NULL) return 1;
    return ASN1_INTEGER_get_int64(&value, number) == 1 && value >= 0 ? value : INT64_MAX;
}

// How many rounds a password goes through to become this key: whoever made the file chose it. For scrypt, N * r * p. -1
// when the algorithm is not known.
static inline int64_t sallyport_derivation_rounds(const X509_ALGOR *algorithm) {
    int64_t rounds = -1;
    if (algorithm == NULL || algorithm->algorithm == NULL || algorithm->parameter == NULL) return -1;
    if (OBJ_obj2nid(algorithm->algorithm) != NID_pbes2) {
        PBEPARAM *simple = (PBEPARAM *)ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), algorithm->parameter);
        if (simple == NULL) return -1;
        rounds = sallyport_number(simple->iter);
        PBEPARAM_free(simple);
        return rounds;
    }
    PBE2PARAM *both = (PBE2PARAM *)ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter);
    if (both == NULL) return -1;
    if (both->keyfunc != NULL && both->keyfunc->parameter != NULL) {
        int kind = OBJ_obj2nid(both->keyfunc->algorithm);
        if (kind == NID_id_pbkdf2) {
            PBKDF2PARAM *parameters =
                (PBKDF2PARAM *)ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), both->keyfunc->parameter);
            if (parameters != NULL) rounds = sallyport_number(parameters->iter);
            PBKDF2PARAM_free(parameters);
        } else if (kind == NID_id_scrypt) {
            SCRYPT_PARAMS *parameters =
                (SCRYPT_PARAMS *)ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), both->keyfunc->parameter);
            if (parameters != NULL) {
                int64_t size = sallyport_number(parameters->costParameter);
                if (__builtin_mul_overflow(size, sallyport_number(parameters->blockSize), &size)
                    || __builtin_mul_overflow(size, sallyport_number(parameters->parallelizationParameter), &size)) {
                    size = INT64_MAX;
                }
                rounds = size;
            }
            SCRYPT_PARAMS_free(parameters);
        }
    }
    PBE2PARAM_free(both);
    return rounds;
}

// Takes a reference of its own. 1, or 0 when out of memory.
static inline int sallyport_certificates_add(STACK_OF(X509) *certificates, X509 *certificate) {
    return X509_add_cert(certificates, certificate, X509_ADD_FLAG_UP_REF);
}

static inline void sallyport_certificates_free(STACK_OF(X509) *certificates) {
    sk_X509_pop_free(certificates, X509_free);
}

static inline int sallyport_revoked_count(const STACK_OF(X509_REVOKED) *entries) {
    return entries == NULL ? 0 : sk_X509_REVOKED_num(entries);
}

static inline X509_REVOKED *sallyport_revoked_at(const STACK_OF(X509_REVOKED) *entries, int index) {
    return sk_X509_REVOKED_value(entries, index);
}
