#pragma once
#include <curl/curl.h>

// curl_easy_setopt, curl_easy_getinfo and curl_multi_setopt are variadic, which Swift cannot call.

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

// What is called with each line of a reply's headers and each piece of its body; `user` is given to both.
static inline CURLcode sallyport_curl_set_reader(
    CURL *handle, size_t (*header)(char *bytes, size_t size, size_t count, void *user),
    size_t (*body)(char *bytes, size_t size, size_t count, void *user), void *user) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_HEADERFUNCTION, header);
    if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_HEADERDATA, user);
    if (code == CURLE_OK) code = curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, body);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_WRITEDATA, user);
}

// Copies the bytes. An empty body needs an address, too: without one libcurl would ask for the body by a callback.
static inline CURLcode sallyport_curl_set_body(CURL *handle, const void *bytes, size_t count) {
    CURLcode code = curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)count);
    return code != CURLE_OK ? code : curl_easy_setopt(handle, CURLOPT_COPYPOSTFIELDS, count > 0 ? bytes : "");
}

static inline CURLcode sallyport_curl_set_headers(CURL *handle, struct curl_slist *headers) {
    return curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
}

static inline long sallyport_curl_number(CURL *handle, CURLINFO info) {
    long number = 0;
    return curl_easy_getinfo(handle, info, &number) == CURLE_OK ? number : 0;
}

static inline curl_off_t sallyport_curl_size(CURL *handle, CURLINFO info) {
    curl_off_t size = 0;
    return curl_easy_getinfo(handle, info, &size) == CURLE_OK ? size : 0;
}

static inline CURLMcode sallyport_curl_multi_set_number(CURLM *multi, CURLMoption option, long number) {
    return curl_multi_setopt(multi, option, number);
}

static inline CURLcode sallyport_curl_result(const CURLMsg *message) { return message->data.result; }
