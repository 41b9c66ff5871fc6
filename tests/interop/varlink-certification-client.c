/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* varlink-certification-client SOCKET: passes through org.varlink.certification there. Exits with 0
 * when the service said all_ok and every reply was as it should be. */
#include "varlink-certification.h"

#include "varlink-client.h"

#include <stdio.h>

static void
receive(VarlinkClient *client, const CertificationStep *step, VarlinkReply *ret_reply)
{
    g_autoptr(GError) error = NULL;

    if (!varlink_client_receive(client, ret_reply, &error))
        g_error("%s: %s", step->method, error->message);
    if (ret_reply->error)
        g_error("%s: %s %s", step->method, ret_reply->error, json_dumps(ret_reply->parameters, 0));
}

static void
check_reply(const CertificationStep *step, const json_t *got)
{
    json_t *wants = step->reply ? certification_parse(step->reply) : NULL;

    if (wants && !certification_equal(wants, got))
        g_error("%s: %s came instead of %s", step->method, json_dumps(got, 0), step->reply);
    json_decref(wants);
}

/* The parameters of the call behind Test10. */
static json_t *
receive_stream(VarlinkClient *client, const CertificationStep *step)
{
    json_t *strings = json_array();
    gboolean continues = TRUE;

    while (continues) {
        g_auto(VarlinkReply) reply = {0};

        receive(client, step, &reply);
        json_array_append(strings, json_object_get(reply.parameters, "string"));
        continues = reply.continues;
    }
    if (json_array_size(strings) != CERTIFICATION_REPLIES)
        g_error("%s: %zu replies", step->method, json_array_size(strings));
    return json_pack("{s:o}", "last_more_replies", strings);
}

/* Takes the call's parameters; returns the next one's. */
static json_t *
run_step(VarlinkClient *client, const CertificationStep *step, json_t *parameters)
{
    g_autofree char *method = g_strconcat(CERTIFICATION ".", step->method, NULL);
    g_auto(VarlinkReply) reply = {0};
    g_autoptr(GError) error = NULL;
    VarlinkCallFlags flags = step->more     ? VARLINK_CALL_MORE
                             : step->oneway ? VARLINK_CALL_ONEWAY
                                            : VARLINK_CALL_PLAIN;

    if (!varlink_client_send(client, method, parameters, flags, &error))
        g_error("%s: %s", step->method, error->message);
    if (step->oneway)
        return json_object();
    if (step->more)
        return receive_stream(client, step);
    receive(client, step, &reply);
    check_reply(step, reply.parameters);
    printf("%s\n", step->method);
    return json_incref(reply.parameters);
}

int
main(int argc, char **argv)
{
    g_autoptr(VarlinkClient) client = NULL;
    g_autoptr(GError) error = NULL;
    json_t *parameters = json_object(), *id = NULL;

    if (argc != 2)
        g_error("usage: varlink-certification-client SOCKET");
    client = varlink_client_connect(argv[1], &error);
    if (!client)
        g_error("%s", error->message);
    for (const CertificationStep *step = certification_steps; step->method; step++) {
        parameters = run_step(client, step, parameters);
        if (!id)
            id = json_incref(json_object_get(parameters, "client_id"));
        else if (step[1].method)
            json_object_set(parameters, "client_id", id);
    }
    json_decref(parameters);
    json_decref(id);
    puts("certified");
    return 0;
}
