/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the hook does once a domain has started, when it ends, and when it moves. */
#include "hook-fixture.h"

#include "hook-state.h"
#include "qemu-process.h"

#include <glib/gstdio.h>
#include <unistd.h>

static guint
no_index(const char *name)
{
    return 0;
}

static void
test_started(void **state)
{
    static const char *const answers[] = {PORT("null", "7", "52:54:00:00:00:0a"),
                                          REFUSED("PortNotFound", "no port"),
                                          PORT("null", "7", "52:54:00:00:00:0a"), NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    /* Without a pid file: only the links are set, which is no start. */
    make_hook(fixture, ONE);
    assert_false(run_against(fixture, "started", answers, &error));
    assert_int_equal(fixture->calls->len, 1);
    assert_call(fixture, 0, "SetPort", "'linkUp':true");
    assert_call(fixture, 0, "", "'port':'null'");
    assert_non_null(strstr(error->message, "vm1.pid"));
}

/* One port's failure is not the other's. */
static void
test_started_goes_on(void **state)
{
    static const char *const answers[] = {REFUSED("SystemError", "no"), TIED, TIED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_false(run_against(fixture, "started", answers, &error));
    assert_string_equal(error->message, "interface null: no");
    assert_int_equal(fixture->calls->len, 3);
    assert_call(fixture, 0, "SetPort", "'port':'null'");
    assert_call(fixture, 0, "", "'linkUp':true");
    assert_call(fixture, 1, "SetPort", "'port':'zero'");
    assert_call(fixture, 1, "", "'linkUp':true");
    assert_call(fixture, 2, "SetPort", "'port':'zero'");
    assert_call(fixture, 2, "", "'holderPid':4711");
    remove_qemu(fixture);
}

/* What the metadata names by now may be another domain's. */
static void
test_reconnect(void **state)
{
    static const char *const answers[] = {
        "{'parameters':{'port':" HELD_PORT("null", "7", "52:54:00:00:00:0a",
                                           "5c1ab1ff-1d4f-4b4b-8f0e-2f1d1f0a7c12") "}}",
        "{'parameters':{'port':" TIED_PORT("zero", "8", "52:54:00:00:00:0b", UUID,
                                           ",'pid':42") "}}",
        TIED, TIED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_false(run_against(fixture, "reconnect", answers, &error));
    assert_string_equal(error->message, "interface null: macvtapd has no such port of this domain");
    assert_int_equal(fixture->calls->len, 4);
    assert_call(fixture, 0, "GetPort", "'port':'null'");
    assert_null(strstr(fixture->calls->pdata[0], "statistics"));
    assert_call(fixture, 1, "GetPort", "'port':'zero'");
    assert_call(fixture, 2, "SetPort", "'port':'zero'");
    assert_call(fixture, 2, "", "'linkUp':true");
    assert_call(fixture, 3, "SetPort", "'port':'zero'");
    assert_call(fixture, 3, "", "'holderPid':4711");
    remove_qemu(fixture);
}

/* One that has gone, and one whose name is what the domain's other interface is called. */
static void
test_reconnect_finds_no_port(void **state)
{
    static const char *const answers[] = {
        REFUSED("PortNotFound", "none"),
        "{'parameters':{'port':" HELD_PORT("other", "9", "52:54:00:00:00:0b", UUID) "}}", NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_false(run_against(fixture, "reconnect", answers, &error));
    assert_string_equal(error->message, "interface null: macvtapd has no such port of this domain");
    assert_int_equal(fixture->calls->len, 2);
    remove_qemu(fixture);
}

/* An administrator may have set a link down: of a port that started has been at, and of one that
 * was attached while QEMU's process could not be told. */
static void
test_reconnect_leaves_links(void **state)
{
    static const char *const answers[] = {
        "{'parameters':{'port':" TIED_PORT("null", "7", "52:54:00:00:00:0a", UUID,
                                           ",'pid':4711") "}}",
        TIED, "{'parameters':{'port':" HELD_PORT("zero", "8", "52:54:00:00:00:0b", UUID) "}}", TIED,
        NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, TWO);
    make_qemu(fixture);
    assert_true(run_against(fixture, "reconnect", answers, &error));
    assert_int_equal(fixture->calls->len, 4);
    for (guint i = 1; i < 4; i += 2) {
        assert_call(fixture, i, "SetPort", "'holderPid':4711");
        assert_null(strstr(fixture->calls->pdata[i], "linkUp"));
    }
    remove_qemu(fixture);
}

static void
test_stopped(void **state)
{
    static const char *const answers[] = {ENDED, REFUSED("SystemError", "no"), NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    /* Whatever its metadata says, and by the domain alone. */
    make_hook(fixture, HEAD "<m:port/>" MIDDLE TAIL);
    run_against(fixture, "stopped", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 1);
    assert_call(fixture, 0, "EndDomain", "'domain':'" UUID "'");
    assert_false(run_against(fixture, "stopped", answers + 1, &error));
    assert_string_equal(error->message, "no");
}

static void
test_release(void **state)
{
    static const char *const answers[] = {ENDED, NULL};
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    /* Whatever its metadata says. */
    make_hook(fixture, HEAD "<m:port/>" MIDDLE TAIL);
    run_against(fixture, "release", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 1);
    assert_call(fixture, 0, "EndDomain", "'domain':'" UUID "'");
}

/* What is new is a name that libvirt can give. */
static void
check_renamed(const Hook *hook, const char *old)
{
    g_autoptr(DomainXml) domain = domain_xml_parse(hook->output, strlen(hook->output), NULL);
    const DomainPort *port = domain->ports->pdata[0];

    assert_true(domain_xml_check(domain, NULL));
    assert_string_not_equal(port->target, old);
    assert_true(g_str_has_prefix(port->target, old));
    assert_in_range(strlen(port->target), 1, 15);
}

static void
test_restore(void **state)
{
    Fixture *fixture = *state;
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    fixture->hook.interface_index = no_index;
    assert_true(hook_restore(&fixture->hook, NULL));
    assert_null(fixture->hook.output);
    make_hook(fixture, ONE);
    assert_true(hook_restore(&fixture->hook, NULL));
    check_renamed(&fixture->hook, "null");
    make_hook(fixture, HEAD "<m:port/>" MIDDLE TAIL);
    assert_false(hook_restore(&fixture->hook, &error));
    assert_error_cleared(&error, DOMAIN_XML_ERROR, DOMAIN_XML_ERROR_PORTS, "target");
}

static guint n_taken; /* of the names that are asked for, the first ones */

static guint
index_of_the_first(const char *name)
{
    return n_taken > 0 ? n_taken-- : 0;
}

static char *
restored_target(Fixture *fixture, guint taken)
{
    g_autoptr(DomainXml) domain = NULL;

    n_taken = taken;
    fixture->hook.interface_index = index_of_the_first;
    assert_true(hook_restore(&fixture->hook, NULL));
    assert_int_equal(n_taken, 0);
    check_renamed(&fixture->hook, "null");
    domain = domain_xml_parse(fixture->hook.output, strlen(fixture->hook.output), NULL);
    return g_strdup(((const DomainPort *)domain->ports->pdata[0])->target);
}

/* A new name is neither a device's nor that of another port of the domain. */
static void
test_restore_where_new_names_are_taken(void **state)
{
    Fixture *fixture = *state;
    g_autofree char *first = NULL, *second = NULL, *third = NULL, *two = NULL;

    make_hook(fixture, ONE);
    first = restored_target(fixture, 1);
    make_hook(fixture, ONE);
    second = restored_target(fixture, 2);
    assert_string_not_equal(second, first);
    two = g_strdup_printf(
        HEAD "<m:port target='null' network='lan'/>"
             "<m:port target='%s' network='lan'/>" MIDDLE INTERFACE("null", "52:54:00:00:00:0a", "")
                 INTERFACE("%s", "52:54:00:00:00:0b", "") TAIL,
        first, first);
    make_hook(fixture, two);
    third = restored_target(fixture, 1);
    assert_string_equal(third, second);
}

/* The prepare after a migrate is an incoming migration's, one only. */
static void
test_migrate(void **state)
{
    static const char *const answers[] = {PORT("null", "7", "52:54:00:00:00:0a"), TIED, NULL};
    Fixture *fixture = *state;
    g_autofree char *folder = g_build_filename(fixture->folder, "state", NULL);
    g_autoptr(GError) error = NULL;

    make_hook(fixture, ONE);
    fixture->hook.state_folder = hook_state_open(folder);
    assert_true(fixture->hook.state_folder >= 0);
    fixture->hook.interface_index = no_index;
    assert_true(hook_migrate(&fixture->hook, NULL));
    assert_null(fixture->hook.output);
    fixture->hook.interface_index = fake_index;
    make_node(fixture, "tap7", "/dev/null");
    run_against(fixture, "prepare", answers, &error);
    assert_no_error(error);
    assert_int_equal(fixture->calls->len, 2);
    assert_call(fixture, 0, "CreatePort", geteuid() == 0 ? "'incoming':true" : "");
    assert_false(hook_state_has(fixture->hook.state_folder, UUID, HOOK_STATE_INCOMING));
    remove_file(fixture, "tap7");
    assert_int_equal(g_rmdir(folder), 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        HOOK_TEST(test_started),
        HOOK_TEST(test_started_goes_on),
        HOOK_TEST(test_reconnect),
        HOOK_TEST(test_reconnect_finds_no_port),
        HOOK_TEST(test_reconnect_leaves_links),
        HOOK_TEST(test_stopped),
        HOOK_TEST(test_release),
        HOOK_TEST(test_restore),
        HOOK_TEST(test_restore_where_new_names_are_taken),
        HOOK_TEST(test_migrate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
