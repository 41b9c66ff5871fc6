/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The agent's watch, against a macvtapd whose answers lie in the socket before they are read. */
#include "unit.h"

#include "agent-private.h"

#include "descriptor.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

static const PortWatchHandlers no_handlers = {0};

/* The log has macvtapd's reason. */
static void
test_watch_that_is_refused(void **state)
{
    static const char refusal[] = "{\"error\":\"org.macvtapd.Ports.LimitReached\","
                                  "\"parameters\":{\"message\":\"you already have 8 watches\"}}";
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    g_autofree char *folder = g_dir_make_tmp("port-watch-XXXXXX", NULL);
    g_autofree char *path = g_build_filename(folder, "socket", NULL);
    AUTO_FD int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    AUTO_FD int service = -1;
    PortWatch *watch;

    g_strlcpy(address.sun_path, path, sizeof(address.sun_path));
    assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(listening, 1), 0);
    watch = port_watch_new(path, &no_handlers, NULL);
    service = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(send(service, refusal, sizeof(refusal), 0), sizeof(refusal));
    g_test_expect_message(NULL, G_LOG_LEVEL_WARNING, "*: you already have 8 watches");
    g_main_context_iteration(NULL, TRUE);
    g_test_assert_expected_messages();
    port_watch_free(watch);
    remove(path);
    remove(folder);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_watch_that_is_refused)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
