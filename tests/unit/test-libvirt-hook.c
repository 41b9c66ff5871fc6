/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hook does before a domain starts. */
#include "hook-fixture.h"

#include "hook-state.h"

#include <glib/gstdio.h>

static void
test_prepare(void **state)
{
    static const char *const answers[] = {ENDED, PORT("null", "7", "52:54:00:00:00:0a"),
                                          TIED,  PORT("zero", "8", "52:54:00:00:00:0b"),
                                          TIED,  NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_node(fixture, "tap7", "/dev/null");
    make_node(fixture, "tap8", "/dev/zero");
    run_against(fixture, "prepare", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 5);
    assert_call(fixture, 0, "EndDomain", "'domain':'" UUID "'");
    assert_call(fixture, 1, "CreatePort", "'network':'lan'");
    assert_call(fixture, 1, "", "'interfaceName':'null'");
    assert_call(fixture, 1, "", "'name':'null'");
    assert_call(fixture, 1, "", "'macAddress':'52:54:00:00:00:0a'");
    assert_call(fixture, 1, "", "'queues':1");
    assert_call(fixture, 1, "", "'holder':{'type':'domain','domain':'" UUID "'}");
    assert_call(fixture, 1, "", "'openDescriptors':false");
    assert_call(fixture, 1, "", "'linkUp':false");
    assert_call(fixture, 1, "", "'deviceNode':{");
    assert_call(fixture, 2, "SetPort", "'port':'null','holderPid':4711");
    assert_call(fixture, 3, "CreatePort", "'network':'dmz'");
    assert_call(fixture, 3, "", "'queues':4");
    assert_call(fixture, 3, "", "'mtu':9000");
    assert_null(strstr(fixture->calls->pdata[3], "incoming"));
    assert_call(fixture, 4, "SetPort", "'port':'zero','holderPid':4711");
    remove_file(fixture, "tap7");
    remove_file(fixture, "tap8");
}

static void
test_prepare_ends_what_it_made(void **state)
{
    static const char *const answers[] = {
        ENDED, PORT("null", "7", "52:54:00:00:00:0a"),
        TIED,  REFUSED("NetworkNotFound", "there is no network: dmz"),
        ENDED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_node(fixture, "tap7", "/dev/null");
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_string_equal(error->message, "interface zero: there is no network: dmz");
    assert_int_equal(fixture->calls->len, 5);
    assert_call(fixture, 4, "EndDomain", UUID);
    remove_file(fixture, "tap7");
}

static void
test_prepare_compares(void **state)
{
    static const char *const rows[][2] = {
        {PORT("null", "7", "52:54:00:00:00:0c"),
         "the domain says MAC 52:54:00:00:00:0A, but the port has 52:54:00:00:00:0c: set"},
        {PORT("null", "6", "52:54:00:00:00:0a"), "in another network namespace"},
        {PORT("null", "7", "52:54:00:00:00:0a"), "libvirt does not see "},
    };
    Fixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const answers[] = {ENDED, rows[i][0], ENDED, NULL};
        g_autoptr(GError) error = NULL;

        make_hook(fixture, ONE);
        assert_false(run_against(fixture, "prepare", answers, &error));
        assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, rows[i][1]);
        assert_call(fixture, 2, "EndDomain", UUID);
    }
}

/* A port without a guard keeps nothing that a filter of libvirt's promises. */
static void
test_prepare_looks_at_the_filter(void **state)
{
    static const char text[] = HEAD "<m:port target='null' network='lan'/>" MIDDLE INTERFACE(
        "null", "52:54:00:00:00:0A", "<filterref filter='no-mac-spoofing'/>") TAIL;
    static const char *const answers[] = {ENDED, PORT("null", "7", "52:54:00:00:00:0a"), ENDED,
                                          NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, text);
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS,
                         "interface null: its filter no-mac-spoofing needs a guard, but its port "
                         "has none (macvtapctl network show lan)");
    assert_call(fixture, 2, "EndDomain", UUID);
}

static void
test_prepare_asks_for_limits(void **state)
{
    static const char text[] =
        HEAD "<m:port target='null' network='lan' limits='send=8M/64K'/>" MIDDLE INTERFACE(
            "null", "52:54:00:00:00:0a", "") TAIL;
    static const char *const answers[] = {
        ENDED, REFUSED("AccessDenied", "only root may give a port its own limits"), ENDED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, text);
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_non_null(strstr(error->message, "only root may give a port its own limits"));
    assert_call(fixture, 1, "CreatePort", "'limits':{'send':'8M/64K'}");
}

static void
test_prepare_compares_nodes(void **state)
{
    static const char *const answers[] = {ENDED, PORT("null", "7", "52:54:00:00:00:0a"), ENDED,
                                          NULL};
    static const char *const good[] = {ENDED, PORT("null", "7", "52:54:00:00:00:0a"), TIED, NULL};
    Fixture *fixture = *state;
    g_autofree char *sysfs = g_build_filename(fixture->folder, "class/net/null/macvtap/tap7", NULL);
    g_autofree char *number = g_build_filename(sysfs, "dev", NULL);
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    make_node(fixture, "tap7", "/");
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "is not a device");
    remove_file(fixture, "tap7");
    /* null is 1:3, zero 1:5 (Documentation/admin-guide/devices.txt). */
    make_node(fixture, "tap7", "/dev/zero");
    assert_int_equal(g_mkdir_with_parents(sysfs, 0700), 0);
    assert_true(g_file_set_contents(number, "1:3\n", -1, NULL));
    assert_false(run_against(fixture, "prepare", answers, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "is another device's");
    assert_true(g_file_set_contents(number, "1:5\n", -1, NULL));
    assert_true(run_against(fixture, "prepare", good, &error));
    remove_file(fixture, "tap7");
    assert_int_equal(g_unlink(number), 0);
    for (char *end = number; (end = strrchr(sysfs, '/')) && strlen(sysfs) > strlen(fixture->folder);
         *end = '\0')
        assert_int_equal(g_rmdir(sysfs), 0);
}

static void
test_prepare_asks_nobody_about_a_problem(void **state)
{
    static const char text[] = HEAD "<m:port target='null' network='lan'/>" MIDDLE TAIL;
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, text);
    fixture->hook.socket = "/dev/null/none";
    assert_false(hook_prepare(&fixture->hook, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "metadata names a port");
    make_hook(fixture, HEAD MIDDLE TAIL);
    fixture->hook.socket = "/dev/null/none";
    assert_true(hook_prepare(&fixture->hook, NULL));
    make_hook(fixture, ONE);
    fixture->hook.socket = "/dev/null/none";
    assert_false(hook_prepare(&fixture->hook, &error));
    assert_non_null(strstr(error->message, "is it running?"));
}

/* Whoever starts a domain knows domains, not ports: the one that is in the way is named by its
 * QEMU, while that starts by its UUID, and not at all if it is no other domain's. */
static void
test_prepare_names_the_other_domain(void **state)
{
    static const struct {
        const char *refused, *list, *message;
    } rows[] = {
        {REFUSED("NameTaken", "taken"),
         LIST(TIED_PORT("null", "9", "52:54:00:00:00:77", OTHER, ",'pid':4711")),
         "interface null: taken; domain web,1 has it"},
        {REFUSED("MacConflict", "taken"),
         LIST(TIED_PORT("x", "9", "52:54:00:00:00:0a", OTHER, ",'pid':4711")),
         "interface null: taken; domain web,1 has it"},
        {REFUSED("MacConflict", "taken"), LIST(HELD_PORT("x", "9", "52:54:00:00:00:0a", OTHER)),
         "interface null: taken; domain " OTHER " has it"},
        {REFUSED("NameTaken", "taken"), LIST(HELD_PORT("null", "9", "52:54:00:00:00:0a", UUID)),
         "interface null: taken"},
        {REFUSED("NameTaken", "taken"), LIST(""), "interface null: taken"},
        {REFUSED("MacConflict", "taken"), REFUSED("SystemError", "no"), "interface null: taken"},
    };
    static const char words[] = "qemu\0-name\0guest=web,,1,debug-threads=on\0-uuid\0" OTHER;
    Fixture *fixture = *state;
    g_autofree char *file = g_build_filename(fixture->folder, "4711", "cmdline", NULL);

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        const char *const answers[] = {ENDED, rows[i].refused, rows[i].list, ENDED, NULL};
        g_autoptr(GError) error = NULL;

        make_hook(fixture, ONE);
        make_qemu(fixture);
        assert_true(g_file_set_contents(file, words, sizeof words, NULL));
        assert_false(run_against(fixture, "prepare", answers, &error));
        assert_string_equal(error->message, rows[i].message);
        assert_int_equal(fixture->calls->len, 4);
        remove_qemu(fixture);
    }
}

/* The result of hook_try() for the two ports of a domain. */
static guint
try_two(Fixture *fixture, const char *const *answers, GPtrArray *users)
{
    g_autoptr(GPtrArray) there = g_ptr_array_new();
    g_autoptr(MacvtapClient) client = NULL;
    guint problems;

    make_hook(fixture, TWO);
    fixture->answers = answers;
    fixture->thread = g_thread_new("macvtapd", serve, fixture);
    client = ask_connect(fixture->socket, NULL);
    assert_non_null(client);
    problems = hook_try(&fixture->hook, client, there, users);
    g_clear_pointer(&client, macvtap_client_free);
    g_thread_join(fixture->thread);
    return problems;
}

/* The system's libvirt asks as root what this user may not. */
static void
test_try_as_another_user(void **state)
{
    static const char *const answers[] = {REFUSED("AccessDenied", "user 7 may not"),
                                          REFUSED("ParentBusy", "eth1 is taken"), NULL};
    Fixture *fixture = *state;
    g_autoptr(GPtrArray) users = g_ptr_array_new_with_free_func(g_free);

    assert_int_equal(try_two(fixture, answers, users), 1);
    assert_int_equal(users->len, 1);
    assert_string_equal(users->pdata[0], "interface null: user 7 may not");
    assert_int_equal(fixture->hook.notes->len, 1);
    assert_string_equal(fixture->hook.notes->pdata[0], "interface zero: eth1 is taken");
}

/* Each port is asked for, and none is made: so none is to be taken away. */
static void
test_try_makes_nothing(void **state)
{
    static const char *const answers[] = {PORT("null", "0", "52:54:00:00:00:0c"),
                                          REFUSED("ParentBusy", "eth1 is taken"), NULL};
    Fixture *fixture = *state;

    assert_int_equal(try_two(fixture, answers, NULL), 2);
    assert_int_equal(fixture->calls->len, 2);
    for (guint i = 0; i < 2; i++)
        assert_call(fixture, i, "CreatePort", "'checkOnly':true");
    assert_non_null(strstr(fixture->hook.notes->pdata[0], "interface null: the domain says MAC"));
    assert_string_equal(fixture->hook.notes->pdata[1], "interface zero: eth1 is taken");
}

/* After one call ran out of time, stopped asks nothing. */
static void
test_slow(void **state)
{
    static const char *const answers[] = {ENDED, NULL};
    Fixture *fixture = *state;
    g_autofree char *folder = g_build_filename(fixture->folder, "state", NULL);
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    fixture->hook.state_folder = hook_state_open(folder);
    hook_state_mark(fixture->hook.state_folder, UUID, HOOK_STATE_SLOW);
    fixture->hook.socket = "/dev/null/none";
    assert_true(hook_stopped(&fixture->hook, NULL));
    fixture->hook.socket = fixture->socket;
    assert_true(run_against(fixture, "release", answers, &error));
    assert_false(hook_state_has(fixture->hook.state_folder, UUID, HOOK_STATE_SLOW));
    assert_int_equal(g_rmdir(folder), 0);
}

static void
test_port_names(void **state)
{
    static const char *const others[] = {"-a", ".a", "a@b", "a+", "p0123456789ab"};

    assert_string_equal(hook_port_name("vm1-net0"), "vm1-net0");
    assert_string_equal(hook_port_name("9_.-"), "9_.-");
    assert_string_equal(hook_port_name("_a"), "_a");
    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_null(hook_port_name(others[i]));
}

static void
test_operations(void **state)
{
    static const char *const others[] = {"start", "attach", "", "Prepare", "prepare "};

    for (guint i = 0; i < G_N_ELEMENTS(others); i++)
        assert_null(hook_operation_find(others[i]));
    assert_true(hook_operation_find("prepare")->must);
    assert_true(hook_operation_find("started")->must);
    assert_true(hook_operation_find("migrate")->must);
    assert_true(hook_operation_find("restore")->must);
    assert_false(hook_operation_find("reconnect")->must);
    assert_false(hook_operation_find("stopped")->must);
    assert_false(hook_operation_find("release")->must);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        HOOK_TEST(test_prepare),
        HOOK_TEST(test_prepare_ends_what_it_made),
        HOOK_TEST(test_prepare_compares),
        HOOK_TEST(test_prepare_looks_at_the_filter),
        HOOK_TEST(test_prepare_asks_for_limits),
        HOOK_TEST(test_prepare_compares_nodes),
        HOOK_TEST(test_prepare_asks_nobody_about_a_problem),
        HOOK_TEST(test_prepare_names_the_other_domain),
        HOOK_TEST(test_try_makes_nothing),
        HOOK_TEST(test_try_as_another_user),
        HOOK_TEST(test_slow),
        cmocka_unit_test(test_port_names),
        cmocka_unit_test(test_operations),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
