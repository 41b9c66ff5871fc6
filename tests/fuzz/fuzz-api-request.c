/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Parameters as JSON text, given to every method: a request that can be, a field's name, or an
 * error. */
#include "fuzz-target.h"

#include "api-request.h"
#include "port-error.h"

static void
check_refusal(const char *field, const GError *error)
{
    g_assert_true(!field != !error);
    if (error)
        g_assert_error(error, PORT_ERROR, PORT_ERROR_INVALID_REQUEST);
}

static void
check_create(json_t *parameters)
{
    g_auto(PortRequest) request = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;

    if (!api_request_create(parameters, &request, &field, &error)) {
        check_refusal(field, error);
        return;
    }
    g_assert_nonnull(request.network);
    g_assert_true(!request.has_queues || (request.queues >= 1 && request.queues <= 256));
    g_assert_true(request.mtu == 0 || (request.mtu >= 68 && request.mtu <= 65535));
    g_assert_cmpint(request.holder.pid, >=, 0);
    g_assert_true(request.node_owner != G_MAXUINT32 && request.node_group != G_MAXUINT32);
    if (request.holder.type == HOLDER_DOMAIN)
        g_assert_true(uuid_is_valid(request.holder.domain));
}

static void
check_change(json_t *parameters)
{
    g_auto(PortChange) change = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;

    if (!api_request_change(parameters, &change, &field, &error)) {
        check_refusal(field, error);
        return;
    }
    g_assert_nonnull(change.port);
    g_assert_cmpint(change.holder_pid, >=, 0);
    g_assert_true(change.holder_pid || change.sources || change.has_link_up || change.description ||
                  change.guard.is_given);
}

static void
check_end_domain(json_t *parameters)
{
    char domain[UUID_TEXT_SIZE];
    g_autoptr(GError) error = NULL;
    const char *field = NULL;

    if (api_request_end_domain(parameters, domain, &field, &error))
        g_assert_true(uuid_is_valid(domain));
    else
        check_refusal(field, error);
}

static void
check_open(json_t *parameters)
{
    g_auto(SimpleRequest) request = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;

    if (api_request_open(parameters, &request, &field, &error))
        g_assert_nonnull(request.port);
    else
        check_refusal(field, error);
}

static void
check_delete(json_t *parameters)
{
    g_auto(SimpleRequest) request = {0};
    g_autoptr(GError) error = NULL;
    const char *field = NULL;

    if (!api_request_delete(parameters, &request, &field, &error))
        check_refusal(field, error);
}

static void
check_others(json_t *parameters)
{
    g_auto(SimpleRequest) get = {0}, list = {0};
    const char *field = NULL;

    if (!api_request_get(parameters, &get, &field))
        g_assert_nonnull(field);
    field = NULL;
    if (!api_request_list(parameters, &list, &field))
        g_assert_nonnull(field);
    field = NULL;
    if (!api_request_nothing(parameters, &field))
        g_assert_nonnull(field);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *parameters = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);

    if (json_is_object(parameters)) {
        check_create(parameters);
        check_change(parameters);
        check_end_domain(parameters);
        check_open(parameters);
        check_delete(parameters);
        check_others(parameters);
    }
    json_decref(parameters);
    return 0;
}
