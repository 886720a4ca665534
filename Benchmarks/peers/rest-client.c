/* Posts one after the other, written plainly in C over libcurl with one handle.
 *
 *   rest-client URL CA-FILE COUNT BYTES HEADER…
 *
 * Prints rate= (posts a second, from connecting to the last answer) and processor= (seconds).
 */
#define _GNU_SOURCE
#include "message.h"
#include <curl/curl.h>
#include <stdio.h>

/* An answer has no body that anybody reads. */
static size_t swallow(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes, (void)user;
    return size * count;
}

int main(int argc, char **argv)
{
    if (argc < 6) {
        fprintf(stderr, "usage: rest-client URL CA-FILE COUNT BYTES HEADER...\n");
        return 2;
    }
    long count = atol(argv[3]);
    size_t bytes = (size_t)atol(argv[4]);
    char *message = make_message(&bytes), error[CURL_ERROR_SIZE] = "";
    struct curl_slist *headers = NULL;
    for (int i = 5; i < argc; i++) headers = curl_slist_append(headers, argv[i]);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    CURL *handle = curl_easy_init();
    if (!handle || count < 1) return 1;
    curl_easy_setopt(handle, CURLOPT_URL, argv[1]);
    curl_easy_setopt(handle, CURLOPT_CAINFO, argv[2]);
    curl_easy_setopt(handle, CURLOPT_SSLVERSION, CURL_SSLVERSION_TLSv1_2);
    curl_easy_setopt(handle, CURLOPT_HTTP_VERSION, CURL_HTTP_VERSION_1_1);
    curl_easy_setopt(handle, CURLOPT_USERAGENT, "Sallyport");
    curl_easy_setopt(handle, CURLOPT_NOPROXY, "*");
    curl_easy_setopt(handle, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(handle, CURLOPT_TIMEOUT_MS, 5000L);
    curl_easy_setopt(handle, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(handle, CURLOPT_WRITEFUNCTION, swallow);
    curl_easy_setopt(handle, CURLOPT_ERRORBUFFER, error);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDS, message);
    curl_easy_setopt(handle, CURLOPT_POSTFIELDSIZE, (long)bytes);
    long connections = 0;
    double begin = seconds_of(CLOCK_MONOTONIC), processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID);
    for (long sent = 0; sent < count; sent++) {
        number_message(message, sent);
        CURLcode code = curl_easy_perform(handle);
        long status = 0, made = 0;
        curl_easy_getinfo(handle, CURLINFO_RESPONSE_CODE, &status);
        curl_easy_getinfo(handle, CURLINFO_NUM_CONNECTS, &made);
        connections += made;
        if (code || status != 204) {
            const char *reason = curl_easy_strerror(code);
            fprintf(stderr, "rest-client: post %ld: status %ld, %s, %s\n", sent, status, reason, error);
            return 1;
        }
    }
    double seconds = seconds_of(CLOCK_MONOTONIC) - begin;
    processor = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - processor;
    if (connections != 1) {
        fprintf(stderr, "rest-client: %ld connections\n", connections);
        return 1;
    }
    printf("rate=%.1f processor=%.3f\n", count / seconds, processor);
    curl_easy_cleanup(handle);
    curl_slist_free_all(headers);
    curl_global_cleanup();
    return 0;
}
