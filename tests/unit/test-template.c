/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "template.h"

static void
test_expand_text(void **state)
{
    static const TemplateValue values[] = {
        {"a", "x"}, {"b", NULL}, {"c", "<'&\">"}, {"empty", ""}, {NULL}};
    static const char *const rows[][2] = {
        {"", ""},
        {"plain\n", "plain\n"},
        {"no end", "no end\n"},
        {"one {a} two {a}\n", "one x two x\n"},
        {"first\nwith {a} and {b}\nlast\n", "first\nlast\n"},
        {"{c}\n", "&lt;&apos;&amp;&quot;&gt;\n"},
        {"[{empty}]\n", "[]\n"},
        {"{d} {aa} {a {} a}\n", "{d} {aa} {a {} a}\n"},
        {"{{a}}\n\n{a}\n", "{x}\n\nx\n"},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = template_expand_text(rows[i][0], values);

        assert_string_equal(text, rows[i][1]);
    }
}

/* A value is not looked into for tokens. */
static void
test_value_with_token(void **state)
{
    static const TemplateValue values[] = {{"a", "{b}"}, {"b", "x"}, {NULL}};
    g_autofree char *text = template_expand_text("{a}{b}", values);

    assert_string_equal(text, "{b}x\n");
}

static void
test_several_texts(void **state)
{
    static const char *const each[] = {"eth0", "<eth1>", "eth2", NULL};
    static const TemplateValue values[] = {{"a", "x"}, {"b"}, {"e", NULL, each}, {NULL}};
    static const char *const rows[][2] = {
        {"first\n{a} {e}\nlast\n", "first\nx eth0\nx &lt;eth1&gt;\nx eth2\nlast\n"},
        {"{e}{e}", "eth0eth0\n&lt;eth1&gt;&lt;eth1&gt;\neth2eth2\n"},
        {"{e} {b}\n", ""},
    };

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autofree char *text = template_expand_text(rows[i][0], values);

        assert_string_equal(text, rows[i][1]);
    }
}

static void
test_templates(void **state)
{
    static const TemplateValue all[] = {
        {"network", "lan"},
        {"target", "t0"},
        {"mac", "52:54:00:00:00:01"},
        {"model", "virtio"},
        {"domain", "vm1"},
        {"type", "qemu"},
        {"parent", "eth0"},
        {"libvirt-mode", "bridge"},
        {"queues", "4"},
        {"mtu", "1500"},
        {NULL},
    };
    g_auto(GStrv) names = template_list();

    assert_true(g_strv_length(names) >= 5);
    assert_true(g_strv_contains((const char *const *)names, "interface"));
    assert_true(g_strv_contains((const char *const *)names, "metadata"));
    assert_true(g_strv_contains((const char *const *)names, "domain"));
    for (char **name = names; *name; name++) {
        g_autofree char *text = template_expand(*name, all);

        assert_non_null(text);
        assert_null(strchr(text, '{'));
    }
    assert_null(template_expand("none", all));
    assert_null(template_expand("../interface", all));
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expand_text),
        cmocka_unit_test(test_value_with_token),
        cmocka_unit_test(test_several_texts),
        cmocka_unit_test(test_templates),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
