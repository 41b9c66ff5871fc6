/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a scraper sends: a request of HTTP. */
#include "fuzz-target.h"

#include "metrics-text.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    MetricsRequest request =
        metrics_request_parse((const char *)data, MIN(size, METRICS_REQUEST_MAX));
    g_autofree char *response = NULL;

    g_assert_true(request.status == 0 || request.status == 200 ||
                  (request.status >= 400 && request.status <= 431));
    if (request.status == 0)
        return 0;
    response = metrics_response_format(&request, request.status == 200 ? "text\n" : NULL);
    g_assert_true(g_str_has_prefix(response, "HTTP/1.1 "));
    return 0;
}
