/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "api-fixture.h"

#include "api-private.h"

#include <errno.h>
#include <unistd.h>

/* The array is first, first + 1… */
static void
check_indexes(json_t *array, guint first, guint n)
{
    assert_int_equal(json_array_size(array), n);
    for (guint i = 0; i < n; i++)
        assert_int_equal(json_integer_value(json_array_get(array, i)), first + i);
}

static void
check_grant(const VarlinkReply *reply, guint n_taps, guint n_vhosts)
{
    assert_int_equal(json_object_size(reply->parameters), 3);
    api_check_struct(json_object_get(reply->parameters, "port"), "Port");
    check_indexes(json_object_get(reply->parameters, "tapFileDescriptors"), 0, n_taps);
    check_indexes(json_object_get(reply->parameters, "vhostFileDescriptors"), n_taps, n_vhosts);
    assert_int_equal(reply->descriptors->len, n_taps + n_vhosts);
}

static void
test_life_of_a_port(void **state)
{
    ApiFixture *fixture = *state;
    guint descriptors = test_count_descriptors();
    g_auto(VarlinkReply) created = {0};
    json_t *port, *ports;

    {
        api_call_well(fixture, "CreatePort", "{'network':'lan','name':'web','queues':2}", &created);
        check_grant(&created, 2, 2);
        /* The daemon keeps none of what it sent; the fake has the other ends of the two queues. */
        assert_int_equal(test_count_descriptors(), descriptors + 4 + 2);
        port = json_object_get(created.parameters, "port");
        assert_string_equal(api_text_of(port, "name"), "web");
        assert_string_equal(api_text_of(port, "state"), "active");
        assert_string_equal(api_text_of(json_object_get(port, "holder"), "type"), "descriptors");
        assert_int_equal(json_integer_value(json_object_get(port, "openQueues")), 2);
        assert_int_equal(json_integer_value(json_object_get(port, "owner")), getuid());
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "OpenPort", "{'port':'web','queues':1}", &reply);
        check_grant(&reply, 1, 1);
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "ListPorts", "{'network':'lan'}", &reply);
        ports = json_object_get(reply.parameters, "ports");
        assert_int_equal(json_array_size(ports), 1);
        api_check_struct(json_array_get(ports, 0), "Port");
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "DeletePort", "{'port':'web'}", &reply);
        assert_int_equal(json_object_size(reply.parameters), 0);
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "ListPorts", "{}", &reply);
        assert_int_equal(json_array_size(json_object_get(reply.parameters, "ports")), 0);
    }
    varlink_reply_clear(&created);
    assert_int_equal(test_count_descriptors(), descriptors);
}

/* The device is looked at only for the statistics. */
static void
test_get_port(void **state)
{
    ApiFixture *fixture = *state;
    const char *id = test_broker_create(fixture->test, getuid(), "lan", "web")->id;
    static const char *const names[] = {"name", "id", "interfaceName"};
    g_auto(VarlinkReply) found = {0};
    json_t *port;

    api_call_well(fixture, "GetPort", "{'port':'web'}", &found);
    assert_int_equal(json_object_size(found.parameters), 1);
    port = json_object_get(found.parameters, "port");
    api_check_struct(port, "Port");
    assert_string_equal(api_text_of(port, "id"), id);
    assert_null(json_object_get(port, "statistics"));
    for (guint i = 0; i < G_N_ELEMENTS(names); i++) {
        g_autofree char *parameters =
            g_strdup_printf("{'port':'%s','statistics':true}", api_text_of(port, names[i]));
        g_auto(VarlinkReply) reply = {0};
        json_t *again;

        api_call_well(fixture, "GetPort", parameters, &reply);
        again = json_object_get(reply.parameters, "port");
        assert_string_equal(api_text_of(again, "id"), id);
        api_check_struct(json_object_get(again, "statistics"), "Statistics");
    }
    api_expect_error(fixture, "GetPort", "{'port':'none'}", "PortNotFound", "'none'");
}

/* A caller that has gone before the answer does not know of its port, whoever would hold it. */
static void
test_grant_that_nobody_gets(void **state)
{
    static const char *const holders[] = {
        "{'type':'none'},'openDescriptors':false",
        "{'type':'process'},'openDescriptors':false",
        "{'type':'domain','domain':'123e4567-e89b-12d3-a456-426614174000'}",
        "{'type':'descriptors'}",
    };
    ApiFixture *fixture = *state;
    guint links = kernel_fake_link_count(fixture->test->kernel);

    for (guint i = 0; i < G_N_ELEMENTS(holders); i++) {
        g_autofree char *text =
            g_strdup_printf("{'network':'lan','name':'web','holder':%s}", holders[i]);
        VarlinkClient *client = api_connect(fixture);
        g_autofree char *records = NULL, *events = NULL;

        g_strdelimit(text, "'", '"');
        g_free(test_broker_take_events(fixture->test));
        varlink_client_send(client, API_INTERFACE "CreatePort", json_loads(text, 0, NULL),
                            VARLINK_CALL_PLAIN, NULL);
        varlink_client_free(client);
        test_settle();
        assert_int_equal(broker_count_ports(fixture->test->broker, NULL), 0);
        assert_int_equal(kernel_fake_link_count(fixture->test->kernel), links);
        records = test_broker_records(fixture->test);
        assert_string_equal(records, "");
        events = test_broker_take_events(fixture->test);
        assert_string_equal(events, "created web\ndeleted web\n");
    }
}

static json_t *
check_only(ApiFixture *fixture, const char *more, VarlinkReply *ret_reply)
{
    g_autofree char *parameters = g_strdup_printf("{'checkOnly':true%s}", more);
    g_autofree char *records = NULL, *after = NULL;
    guint descriptors, links, ports;

    test_settle();
    records = test_broker_records(fixture->test);
    descriptors = test_count_descriptors();
    links = kernel_fake_link_count(fixture->test->kernel);
    ports = broker_count_ports(fixture->test->broker, NULL);
    api_call_well(fixture, "CreatePort", parameters, ret_reply);
    check_grant(ret_reply, 0, 0);
    assert_int_equal(test_count_descriptors(), descriptors);
    assert_int_equal(kernel_fake_link_count(fixture->test->kernel), links);
    assert_int_equal(broker_count_ports(fixture->test->broker, NULL), ports);
    after = test_broker_records(fixture->test);
    assert_string_equal(after, records);
    return json_object_get(ret_reply->parameters, "port");
}

/* Nothing is made, not even a VLAN device, and the port is what it will be. */
static void
test_check_only(void **state)
{
    static const char *const rows[] = {
        ",'network':'lan','name':'web','queues':2,'mtu':1400",
        ",'network':'lan','name':'vm','interfaceName':'vm0','macAddress':'52:54:00:00:00:09'",
        ",'network':'lan','guestName':'Web 1'",
        ",'network':'tagged','name':'t1','holder':{'type':'none'},'openDescriptors':false",
        ",'network':'tagged','name':'t2'",
        ",'network':'passthru','holder':{'type':'none'}",
    };
    static const char *const drawn[] = {"id", "name", "interfaceName", "interfaceIndex"};
    ApiFixture *fixture = *state;
    uid_t uid = getuid();
    Network *tagged = test_broker_add_network(fixture->test, "tagged", "eth0", MACVTAP_MODE_BRIDGE);

    tagged->vlan = g_strdup("100.200");
    g_array_append_val(tagged->allow_uids, uid);
    test_broker_add_parent(fixture->test, "eth1");
    g_array_append_val(
        test_broker_add_network(fixture->test, "passthru", "eth1", MACVTAP_MODE_PASSTHRU)
            ->allow_uids,
        uid);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VarlinkReply) checked = {0}, made = {0};
        g_autofree char *parameters = g_strdup_printf("{%s}", rows[i] + 1);
        json_t *would = check_only(fixture, rows[i], &checked), *is;

        assert_string_equal(api_text_of(would, "state"), "creating");
        assert_string_equal(api_text_of(would, "id"), "");
        api_call_well(fixture, "CreatePort", parameters, &made);
        is = json_object_get(made.parameters, "port");
        for (guint j = 0; j < G_N_ELEMENTS(drawn); j++) {
            const char *text = api_text_of(would, drawn[j]);

            if (!text || !text[0])
                json_object_set(would, drawn[j], json_object_get(is, drawn[j]));
        }
        json_object_set(would, "state", json_object_get(is, "state"));
        json_object_set(would, "openQueues", json_object_get(is, "openQueues"));
        if (!json_equal(would, is))
            fail_msg("%s is not %s", json_dumps(would, 0), json_dumps(is, 0));
    }
}

/* A MAC or a name that is drawn gives way to somebody's device, one that was asked for does not. */
static void
test_check_only_sees_what_others_have(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) free = {0}, taken = {0};
    LinkInfo other = {.is_macvlan = TRUE, .lower_index = 1, .mode = MACVTAP_MODE_BRIDGE};
    LinkInfo parent;
    const char *mac;
    g_autofree char *parameters = NULL;

    assert_true(test_broker_find_link(fixture->test, "eth0", &parent));
    other.lower_index = parent.index;
    g_strlcpy(other.name, "theirs", sizeof(other.name));
    g_strlcpy(other.kind, "macvlan", sizeof(other.kind));
    mac = api_text_of(check_only(fixture, ",'network':'lan','name':'web'", &free), "macAddress");
    assert_true(mac_address_parse(mac, &other.mac));
    kernel_fake_add_link(fixture->test->kernel, &other);
    assert_string_not_equal(
        mac,
        api_text_of(check_only(fixture, ",'network':'lan','name':'web'", &taken), "macAddress"));
    parameters = g_strdup_printf("{'checkOnly':true,'network':'lan','macAddress':'%s'}", mac);
    api_expect_error(fixture, "CreatePort", parameters, "MacConflict", "belongs to theirs on eth0");
    api_expect_error(fixture, "CreatePort",
                     "{'checkOnly':true,'network':'lan','interfaceName':'theirs'}", "NameTaken",
                     "interface name theirs is taken");
    api_expect_error(fixture, "CreatePort", "{'network':'lan','replaces':['web']}",
                     "InvalidRequest", "'replaces' goes with checkOnly");
}

/* It has ifindex 0, and so has what is below a macvlan if that is in another network namespace. */
static void
test_check_only_of_a_vlan_without_device(void **state)
{
    static const char *const rows[] = {
        ",'network':'tagged','macAddress':'52:54:00:00:00:09'",
        ",'network':'whole'",
    };
    ApiFixture *fixture = *state;
    LinkInfo macvlan = {.name = "mac0", .kind = "macvlan", .is_macvlan = TRUE};
    Network *networks[] = {
        test_broker_add_network(fixture->test, "tagged", "eth0", MACVTAP_MODE_BRIDGE),
        test_broker_add_network(fixture->test, "whole", "eth0", MACVTAP_MODE_PASSTHRU),
    };

    assert_true(mac_address_parse("52:54:00:00:00:09", &macvlan.mac));
    kernel_fake_add_link(fixture->test->kernel, &macvlan);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VarlinkReply) reply = {0};
        uid_t uid = getuid();

        networks[i]->vlan = g_strdup("100");
        g_array_append_val(networks[i]->allow_uids, uid);
        check_only(fixture, rows[i], &reply);
    }
}

static void
test_forms_of_a_port(void **state)
{
    static const struct {
        const char *parameters;
        guint n_taps, n_vhosts;
    } rows[] = {
        {"{'network':'lan','openDescriptors':false,'holder':{'type':'none'}}", 0, 0},
        {"{'network':'lan','vhost':'off'}", 1, 0},
        {"{'network':'lan','holder':{'type':'none'}}", 1, 1},
        {"{'network':'lan','holder':{'type':'domain',"
         "'domain':'123e4567-e89b-12d3-a456-426614174000'}}",
         1, 1},
        {"{'network':'passthru'}", 1, 1},
        {"{'network':'source'}", 1, 1},
    };
    ApiFixture *fixture = *state;
    uid_t uid = getuid();

    test_broker_add_parent(fixture->test, "eth1");
    test_broker_add_parent(fixture->test, "eth2");
    g_array_append_val(
        test_broker_add_network(fixture->test, "passthru", "eth1", MACVTAP_MODE_PASSTHRU)
            ->allow_uids,
        uid);
    g_array_append_val(
        test_broker_add_network(fixture->test, "source", "eth2", MACVTAP_MODE_SOURCE)->allow_uids,
        uid);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "CreatePort", rows[i].parameters, &reply);
        check_grant(&reply, rows[i].n_taps, rows[i].n_vhosts);
    }
}

static void
test_networks(void **state)
{
    ApiFixture *fixture = *state;
    Network *full =
        test_broker_add_network(fixture->test, "full", "eth0,eth1", MACVTAP_MODE_SOURCE);
    const MacAddress mac = {{2, 0, 0, 0, 0, 9}};
    g_auto(VarlinkReply) reply = {0};
    json_t *networks, *network;
    gsize i;
    uid_t uid = getuid();

    full->vlan = g_strdup("100.200");
    full->mtu = 1400;
    full->max_ports = 3;
    full->max_ports_per_user = 2;
    g_array_append_val(full->sources, mac);
    g_array_append_val(full->allow_uids, uid);
    g_ptr_array_add(fixture->test->networks, network_new_broken("broken", "line 3"));
    g_array_append_val(
        test_broker_add_network(fixture->test, "z", "eth0", MACVTAP_MODE_BRIDGE)->allow_uids, uid);
    test_broker_create(fixture->test, getuid(), "lan", NULL);
    api_call_well(fixture, "ListNetworks", "{}", &reply);
    networks = json_object_get(reply.parameters, "networks");
    json_array_foreach (networks, i, network) {
        api_check_struct(network, "Network");
        if (g_str_equal(api_text_of(network, "name"), "lan"))
            assert_int_equal(json_integer_value(json_object_get(network, "ports")), 1);
        if (g_str_equal(api_text_of(network, "name"), "broken"))
            assert_string_equal(api_text_of(network, "problem"), "line 3");
    }
    assert_int_equal(i, getuid() == 0 ? 4 : 3);
    assert_null(json_object_get(reply.parameters, "faults"));
}

static void
test_faults(void **state)
{
    ApiFixture *fixture = *state;
    g_autofree char *path =
        g_build_filename(fixture->test->state, "ports", "p000000000001.damaged", NULL);
    g_auto(VarlinkReply) reply = {0};
    json_t *faults;

    assert_true(g_file_set_contents(path, "", -1, NULL));
    api_call_well(fixture, "ListNetworks", "{}", &reply);
    faults = json_object_get(reply.parameters, "faults");
    assert_int_equal(json_array_size(faults), getuid() == 0 ? 1 : 0);
    if (getuid() != 0)
        return;
    api_check_struct(json_array_get(faults, 0), "Fault");
    assert_string_equal(api_text_of(json_array_get(faults, 0), "code"), "record-set-aside");
}

/* The names that the interface's text declares as this kind ("method"). */
static GPtrArray *
declared_names(const char *kind)
{
    g_autofree char *pattern = g_strdup_printf("^%s (\\w+) ?\\(", kind);
    g_autoptr(GRegex) regex = g_regex_new(pattern, G_REGEX_MULTILINE, 0, NULL);
    g_autoptr(GMatchInfo) match = NULL;
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (g_regex_match(regex, api_description(), 0, &match); g_match_info_matches(match);
         g_match_info_next(match, NULL))
        g_ptr_array_add(names, g_match_info_fetch(match, 1));
    return names;
}

static void
assert_declared(const GPtrArray *names, const char *name)
{
    if (!g_ptr_array_find_with_equal_func((GPtrArray *)names, name, g_str_equal, NULL))
        fail_msg("the interface's text does not declare %s", name);
}

static void
test_error_names(void **state)
{
    g_autoptr(GPtrArray) declared = declared_names("error");

    for (guint code = 0; code < PORT_ERROR_COUNT; code++) {
        const char *name = api_error_name((PortError)code);

        assert_true(g_str_has_prefix(name, API_INTERFACE));
        assert_declared(declared, name + strlen(API_INTERFACE));
        for (guint other = 0; other < code; other++)
            assert_string_not_equal(name, api_error_name((PortError)other));
    }
    assert_int_equal(declared->len, PORT_ERROR_COUNT);
}

static void
test_method_names(void **state)
{
    g_autoptr(GPtrArray) declared = declared_names("method");
    guint count = 0;

    for (; api_methods[count].name; count++)
        assert_declared(declared, api_methods[count].name);
    assert_int_equal(declared->len, count);
}

/* Every error but those that need more than one call. */
static void
test_errors(void **state)
{
    static const struct {
        const char *method, *parameters, *name, *text;
    } rows[] = {
        {"CreatePort", "{'network':'lan','queues':0}", "InvalidRequest", "queues must be 1"},
        {"CreatePort", "{'network':'none'}", "NetworkNotFound", "'none'"},
        {"CreatePort", "{'network':'broken'}", "NetworkInvalid", "broken"},
        {"CreatePort", "{'network':'lan','queues':9}", "LimitReached", "8"},
        {"OpenPort", "{'port':'none'}", "PortNotFound", "'none'"},
        {"DeletePort", "{'port':'none'}", "PortNotFound", "'none'"},
        {"CreatePort", "{'network':'missing'}", "ParentNotFound", "eth9"},
        {"CreatePort", "{'network':'down'}", "ParentUnusable", "eth1 is down"},
        {"CreatePort", "{'network':'passthru'}", "ParentBusy", "web"},
        {"CreatePort", "{'network':'lan','name':'web'}", "NameTaken", "'web'"},
        {"CreatePort", "{'network':'lan','macAddress':'52:54:00:00:00:01'}", "MacConflict", "web"},
        {"CreatePort", "{'network':'lan','macAddress':'02:00:00:00:00:09'}", "MacNotAllowed", "02"},
        {"CreatePort", "{'network':'lan','mtu':9000}", "MtuTooLarge", "9000 is above eth0's"},
        {"CreatePort", "{'network':'lan','holder':{'type':'process','pid':2147483647}}",
         "HolderInvalid", "2147483647"},
        {"CreatePort", "{'network':'lan','vhost':'require'}", "VhostUnavailable", "vhost-net"},
    };
    ApiFixture *fixture = *state;
    const LinkInfo down = {.name = "eth1"};
    static const char *const networks[][2] = {
        {"missing", "eth9"}, {"down", "eth1"}, {"passthru", "eth0"}};
    g_auto(VarlinkReply) reply = {0};
    uid_t uid = getuid();

    fixture->test->vhost_errnum = ENOENT;
    kernel_fake_add_link(fixture->test->kernel, &down);
    g_ptr_array_add(fixture->test->networks, network_new_broken("broken", "line 3"));
    for (guint i = 0; i < G_N_ELEMENTS(networks); i++)
        g_array_append_val(
            test_broker_add_network(fixture->test, networks[i][0], networks[i][1],
                                    i == 2 ? MACVTAP_MODE_PASSTHRU : MACVTAP_MODE_BRIDGE)
                ->allow_uids,
            uid);
    api_call_well(fixture, "CreatePort",
                  "{'network':'lan','name':'web','macAddress':'52:54:00:00:00:01'}", &reply);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        api_expect_error(fixture, rows[i].method, rows[i].parameters, rows[i].name, rows[i].text);
    kernel_fake_fail(fixture->test->kernel, "tap_open", 1, EIO);
    api_expect_error(fixture, "CreatePort", "{'network':'lan'}", "SystemError", "tap_open");
    kernel_fake_remove_link(fixture->test->kernel,
                            (int)json_integer_value(json_object_get(
                                json_object_get(reply.parameters, "port"), "interfaceIndex")));
    test_settle();
    api_expect_error(fixture, "OpenPort", "{'port':'web'}", "DeviceGone", "web");
}

static void
test_access_by_credentials(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) networks = {0}, ports = {0};

    if (getuid() != 0) {
        print_message("# not root: other users' credentials cannot be had\n");
        skip();
    }
    varlink_client_free(fixture->client);
    assert_int_equal(seteuid(12345), 0);
    fixture->client = api_connect(fixture);
    assert_int_equal(seteuid(0), 0);
    test_broker_create(fixture->test, 0, "lan", "web");
    api_expect_error(fixture, "CreatePort", "{'network':'lan'}", "AccessDenied", "user 12345");
    api_expect_error(fixture, "CreatePort", "{'network':'parent=eth0,mode=vepa'}", "AccessDenied",
                     "only root");
    api_expect_error(fixture, "DeletePort", "{'port':'web'}", "PortNotFound", "'web'");
    api_expect_error(fixture, "GetPort", "{'port':'web'}", "PortNotFound", "'web'");
    api_call_well(fixture, "ListNetworks", "{}", &networks);
    assert_int_equal(json_array_size(json_object_get(networks.parameters, "networks")), 0);
    api_call_well(fixture, "ListPorts", "{}", &ports);
    assert_int_equal(json_array_size(json_object_get(ports.parameters, "ports")), 0);
}

static void
test_capture(void **state)
{
    ApiFixture *fixture = *state;
    guint descriptors = test_count_descriptors();
    json_t *reasons;

    test_broker_create(fixture->test, 0, "lan", "web");
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "CapturePort", "{'port':'web','frames':'all','snapLength':96}",
                      &reply);
        assert_int_equal(json_object_size(reply.parameters), 3);
        api_check_struct(json_object_get(reply.parameters, "port"), "Port");
        assert_int_equal(
            json_integer_value(json_object_get(reply.parameters, "captureFileDescriptor")), 0);
        reasons = json_object_get(reply.parameters, "reasons");
        assert_int_equal(json_array_size(reasons), CAPTURE_REASON_COUNT);
        assert_string_equal(json_string_value(json_array_get(reasons, CAPTURE_RECEIVE_LIMIT)),
                            "receive-limit");
        assert_string_equal(json_string_value(json_array_get(reasons, GUARD_OTHER_MAC)),
                            "other-mac");
        assert_int_equal(reply.descriptors->len, 1);
    }
    test_settle(); /* its reader has gone */
    assert_int_equal(test_count_descriptors(), descriptors);
    api_expect_error(fixture, "CapturePort", "{'port':'none'}", "PortNotFound", "'none'");
}

static json_t *
numbers_of(const VarlinkReply *reply, const char *list, const char *type)
{
    json_t *array = json_object_get(reply->parameters, list);

    assert_int_equal(json_array_size(array), 1);
    api_check_struct(json_array_get(array, 0), type);
    return json_array_get(array, 0);
}

static void
test_statistics(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) reply = {0}, of_user = {0};
    const Port *port = test_broker_create(fixture->test, 0, "lan", "web");
    json_t *numbers;

    fake_datapath_counters(fixture->test->datapath, port->interface_index)
        ->dropped[GUARD_OTHER_MAC] = 3;
    api_expect_error(fixture, "GetPort", "{'port':'none'}", "PortNotFound", "'none'");
    api_call_well(fixture, "GetStatistics", "{}", &reply);
    numbers = numbers_of(&reply, "ports", "PortStatistics");
    assert_string_equal(api_text_of(numbers, "name"), "web");
    assert_int_equal(
        json_integer_value(json_object_get(json_object_get(numbers, "dropped"), "other-mac")), 3);
    assert_non_null(json_object_get(numbers, "statistics"));
    numbers = numbers_of(&reply, "networks", "NetworkStatistics");
    assert_true(json_is_true(json_object_get(numbers, "usable")));
    assert_int_equal(json_integer_value(json_object_get(numbers, "ports")), 1);
    numbers = json_object_get(reply.parameters, "daemon");
    api_check_struct(numbers, "DaemonStatistics");
    assert_int_equal(json_integer_value(json_object_get(numbers, "requests")), 2);
    assert_true(json_integer_value(
                    json_object_get(json_object_get(numbers, "refused"), "PortNotFound")) >= 1);
    /* Another user sees nothing of that. */
    varlink_client_free(fixture->client);
    assert_int_equal(seteuid(12345), 0);
    fixture->client = api_connect(fixture);
    assert_int_equal(seteuid(0), 0);
    api_call_well(fixture, "GetStatistics", "{}", &of_user);
    assert_int_equal(json_object_size(of_user.parameters), 2);
    assert_int_equal(json_array_size(json_object_get(of_user.parameters, "ports")), 0);
    assert_int_equal(json_array_size(json_object_get(of_user.parameters, "networks")), 0);
}

static void
test_wrong_parameters(void **state)
{
    static const struct {
        const char *method, *parameters, *field;
    } rows[] = {
        {"ListNetworks", "{'x':1}", "x"},
        {"ListPorts", "{'network':1}", "network"},
        {"CreatePort", "{}", "network"},
        {"CreatePort", "{'network':'lan','x':1}", "x"},
        {"GetPort", "{}", "port"},
        {"GetPort", "{'port':'a','statistics':1}", "statistics"},
        {"OpenPort", "{}", "port"},
        {"CapturePort", "{}", "port"},
        {"CapturePort", "{'port':'a','snapLength':'1'}", "snapLength"},
        {"GetStatistics", "{'port':'a'}", "port"},
        {"OpenPort", "{'port':'a','queues':'1'}", "queues"},
        {"DeletePort", "{'port':1}", "port"},
        {"DeletePort", "{'ports':['a',1]}", "ports"},
    };
    ApiFixture *fixture = *state;

    for (guint i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_auto(VarlinkReply) reply = {0};

        api_call(fixture, rows[i].method, rows[i].parameters, &reply);
        assert_string_equal(reply.error, "org.varlink.service.InvalidParameter");
        assert_string_equal(api_text_of(reply.parameters, "parameter"), rows[i].field);
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_send(fixture->client, "WatchPorts", "{'x':1}", VARLINK_CALL_MORE);
        api_receive(fixture->client, &reply);
        assert_string_equal(reply.error, "org.varlink.service.InvalidParameter");
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call(fixture, "WatchPorts", "{}", &reply);
        assert_string_equal(reply.error, "org.varlink.service.ExpectedMore");
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call(fixture, "FlyPort", "{}", &reply);
        assert_string_equal(reply.error, "org.varlink.service.MethodNotFound");
    }
}

/* Whatever the caller sends, what it gets to read is one printable line. */
static void
test_messages_are_one_line(void **state)
{
    static const char *const forms[][2] = {
        {"{'network':'", "'}"},
        {"{'network':'a=", "'}"},
        {"{'network':'lan','name':'", "'}"},
        {"{'network':'lan','interfaceName':'", "'}"},
        {"{'network':'lan','macAddress':'", "'}"},
        {"{'network':'lan','vhost':'", "'}"},
        {"{'network':'lan','holder':{'type':'", "'}}"},
        {"{'network':'lan','holder':{'type':'domain','domain':'", "'}}"},
    };
    ApiFixture *fixture = *state;
    g_autofree char *many = g_strnfill(20000, 'x');
    g_autofree char *odd = g_strconcat("\\n\\u001b[2J\\u009b\\u00e9", many, NULL);

    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_autofree char *parameters = g_strconcat(forms[i][0], odd, forms[i][1], NULL);
        g_auto(VarlinkReply) reply = {0};
        const char *message;

        api_call(fixture, "CreatePort", parameters, &reply);
        message = api_text_of(reply.parameters, "message");
        assert_non_null(message);
        assert_true(strlen(message) < 1010);
        for (; *message; message = g_utf8_next_char(message))
            assert_false(g_unichar_iscntrl(g_utf8_get_char(message)));
    }
}

/* One reply carries 253 descriptors at most (SCM_MAX_FD). */
static void
test_more_queues_than_a_reply_carries(void **state)
{
    ApiFixture *fixture = *state;
    guint descriptors = test_count_descriptors();
    guint links = kernel_fake_link_count(fixture->test->kernel);
    g_autofree char *records = NULL;

    test_broker_network(fixture->test, "lan")->max_queues = 256;
    api_expect_error(fixture, "CreatePort", "{'network':'lan','queues':254,'vhost':'off'}",
                     "LimitReached", "253");
    api_expect_error(fixture, "CreatePort", "{'network':'lan','queues':127}", "LimitReached",
                     "253");
    assert_int_equal(kernel_fake_link_count(fixture->test->kernel), links);
    assert_int_equal(test_count_descriptors(), descriptors);
    records = test_broker_records(fixture->test);
    assert_string_equal(records, "");
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "CreatePort", "{'network':'lan','queues':126}", &reply);
        check_grant(&reply, 126, 126);
    }
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "CreatePort",
                      "{'network':'lan','name':'big','queues':256,'openDescriptors':false,"
                      "'holder':{'type':'none'}}",
                      &reply);
    }
    api_expect_error(fixture, "OpenPort", "{'port':'big'}", "LimitReached", "253");
    {
        g_auto(VarlinkReply) reply = {0};

        api_call_well(fixture, "OpenPort", "{'port':'big','queues':126}", &reply);
        check_grant(&reply, 126, 126);
    }
}

static void
test_reload(void **state)
{
    ApiFixture *fixture = *state;
    g_auto(VarlinkReply) reply = {0};

    if (getuid() != 0) {
        api_expect_error(fixture, "Reload", "{}", "AccessDenied", "only root");
        return;
    }
    api_call_well(fixture, "Reload", "{}", &reply);
    assert_int_equal(json_integer_value(json_object_get(reply.parameters, "networks")), 7);
    assert_int_equal(json_object_size(reply.parameters), 1);
    fixture->reload_error = "lan.network: no";
    api_expect_error(fixture, "Reload", "{}", "SystemError", "lan.network: no");
    assert_int_equal(fixture->reloads, 2);
}

static void
test_reload_is_roots(void **state)
{
    ApiFixture *fixture = *state;

    if (getuid() != 0) {
        print_message("# not root: other users' credentials cannot be had\n");
        return;
    }
    varlink_client_free(fixture->client);
    assert_int_equal(seteuid(12345), 0);
    fixture->client = api_connect(fixture);
    assert_int_equal(seteuid(0), 0);
    api_expect_error(fixture, "Reload", "{}", "AccessDenied", "only root");
    assert_int_equal(fixture->reloads, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        API_TEST(test_life_of_a_port),
        API_TEST(test_get_port),
        API_TEST(test_faults),
        API_TEST(test_check_only),
        API_TEST(test_check_only_sees_what_others_have),
        API_TEST(test_check_only_of_a_vlan_without_device),
        API_TEST(test_forms_of_a_port),
        API_TEST(test_grant_that_nobody_gets),
        API_TEST(test_networks),
        cmocka_unit_test(test_error_names),
        cmocka_unit_test(test_method_names),
        API_TEST(test_errors),
        API_TEST(test_access_by_credentials),
        API_TEST(test_wrong_parameters),
        API_TEST(test_capture),
        API_TEST(test_statistics),
        API_TEST(test_messages_are_one_line),
        API_TEST(test_more_queues_than_a_reply_carries),
        API_TEST(test_reload),
        API_TEST(test_reload_is_roots),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
