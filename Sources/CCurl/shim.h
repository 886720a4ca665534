#pragma once
#include <curl/curl.h>

// curl_easy_setopt is variadic, which Swift cannot call.

static inline CURLcode sallyport_curl_set_text(CURL *handle, CURLoption option, const char *text) {
    return curl_easy_setopt(handle, option, text);
}

static inline CURLcode sallyport_curl_set_number(CURL *handle, CURLoption option, long number) {
    return curl_easy_setopt(handle, option, number);
}

static inline CURLcode sallyport_curl_set_pointer(CURL *handle, CURLoption option, void *pointer) {
    return curl_easy_setopt(handle, option, pointer);
}

// For CURLOPT_SSL_CTX_FUNCTION; `user` is given to it as its last argument.
static inline CURLcode sallyport_curl_set_tls_setup(
    CURL *handle, CURLcode (*setup)(CURL *handle, void *context, void *user), void *user) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_SSL_CTX_FUNCTION, setup);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_SSL_CTX_DATA, user);
}
