/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "trail.h"

#include "trail-bound.h"

#include "process.h"

#include <string.h>

/* The maximum length of a text in bytes: a caller may send up to 64 KiB. */
#define TEXT_MAX 500

/* Most lines have no more. */
#define LINE_FIELDS 16

struct Trail {
    Broker *broker; /* NULL: closed */
    guint watch;
    TrailBound *bound; /* of refusals, */
    TrailBound *drops; /* likewise for dropped frames */
    GHashTable *lost;  /* set of IDs: ports whose missing device was logged */
};

/* MESSAGE_ID of each kind of line: what a reader of the journal finds them by. They never change.
 */
typedef enum LineKind {
    LINE_STARTED,
    LINE_RELOADED,
    LINE_NETWORK,
    LINE_CREATED,
    LINE_OPENED,
    LINE_REFUSED,
    LINE_LEFT_OUT,
    LINE_ENDED,
    LINE_LOST,
    LINE_DROPPED,
    LINE_CAPTURED,
} LineKind;

static const struct {
    const char *message_id;
    GLogLevelFlags level;
    const char *priority; /* syslog(3) */
} kinds[] = {
    [LINE_STARTED] = {"a376975d834c4bb89c1987ec8475428f", G_LOG_LEVEL_MESSAGE, "5"},
    [LINE_RELOADED] = {"b93264c1ef7443ff954e113dba2fc41b", G_LOG_LEVEL_MESSAGE, "5"},
    [LINE_NETWORK] = {"9e131a3cd6ef42c6a6fcef3df9b81855", G_LOG_LEVEL_MESSAGE, "5"},
    [LINE_CREATED] = {"a1e445fe57984a188b692d2470598850", G_LOG_LEVEL_INFO, "6"},
    [LINE_OPENED] = {"5b4a09ef204d444ba4ca15a17330fa3a", G_LOG_LEVEL_INFO, "6"},
    [LINE_REFUSED] = {"676f3ed1c2a74235aff3d3d4398ac5e9", G_LOG_LEVEL_MESSAGE, "5"},
    [LINE_LEFT_OUT] = {"7411156a58884e14ae1c0f0798e25b60", G_LOG_LEVEL_MESSAGE, "5"},
    [LINE_ENDED] = {"27c4025e16d84b519209abc3a4fbd637", G_LOG_LEVEL_INFO, "6"},
    [LINE_LOST] = {"97eee1a86be14599a6c39d85991f89c7", G_LOG_LEVEL_WARNING, "4"},
    [LINE_DROPPED] = {"c0d5e1b87f3a4e0c9b62f4a7d1836e95", G_LOG_LEVEL_MESSAGE, "5"},
    [LINE_CAPTURED] = {"edc9520c28364e019adc926e5d0a9c4c", G_LOG_LEVEL_MESSAGE, "5"},
};
G_STATIC_ASSERT(G_N_ELEMENTS(kinds) == LINE_CAPTURED + 1);

static gboolean
is_clean(const char *text)
{
    gsize length = 0;

    while (length < TEXT_MAX && g_ascii_isprint(text[length]))
        length++;
    return length < TEXT_MAX && text[length] == '\0';
}

static char *
cleaned(const char *text)
{
    g_autofree char *valid = g_utf8_make_valid(text, -1);
    g_autoptr(GString) line = g_string_new(NULL);

    for (const char *c = valid; *c && line->len < TEXT_MAX; c = g_utf8_next_char(c)) {
        gunichar character = g_utf8_get_char(c);

        if (g_unichar_isprint(character))
            g_string_append_unichar(line, character);
        else
            g_string_append_printf(line, character < 0x100 ? "\\x%02x" : "\\u%04x", character);
    }
    if (line->len >= TEXT_MAX)
        g_string_append(line, "…");
    return g_string_free(g_steal_pointer(&line), FALSE);
}

/* Returns text as one line without terminal escapes. Free with g_free(). */
static char *
clean(const char *text)
{
    if (is_clean(text)) /* nearly always, and much quicker */
        return g_strdup(text);
    return cleaned(text);
}

/* A line in preparation. */
typedef struct Line {
    LineKind kind;
    GArray *fields;   /* of GLogField, whose values are owned by */
    GPtrArray *texts; /* these */
} Line;

static void
line_clear(Line *line)
{
    g_array_unref(line->fields);
    g_ptr_array_unref(line->texts);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Line, line_clear)

/* key: a literal; text: taken. */
static void
line_take(Line *line, const char *key, char *text)
{
    const GLogField field = {.key = key, .value = text, .length = -1};

    g_ptr_array_add(line->texts, text);
    g_array_append_val(line->fields, field);
}

/* Does nothing if the text is unknown. */
static void
line_add(Line *line, const char *key, const char *text)
{
    if (text && text[0])
        line_take(line, key, clean(text));
}

static void
line_add_number(Line *line, const char *key, gint64 number)
{
    line_take(line, key, g_strdup_printf("%" G_GINT64_FORMAT, number));
}

static void
line_begin(Line *line, LineKind kind)
{
    *line = (Line){.kind = kind,
                   .fields = g_array_sized_new(FALSE, FALSE, sizeof(GLogField), LINE_FIELDS),
                   .texts = g_ptr_array_new_full(LINE_FIELDS, g_free)};
    line_add(line, "MESSAGE_ID", kinds[kind].message_id);
    line_add(line, "PRIORITY", kinds[kind].priority);
}

static void line_say(Line *line, const char *format, ...) G_GNUC_PRINTF(2, 3);

/* Untrusted parts of the text must be cleaned first, or are cleaned here. */
static void
line_say(Line *line, const char *format, ...)
{
    g_autofree char *message = NULL;
    va_list arguments;

    va_start(arguments, format);
    message = g_strdup_vprintf(format, arguments);
    va_end(arguments);
    line_take(line, "MESSAGE", g_steal_pointer(&message));
    g_log_structured_array(kinds[line->kind].level, (const GLogField *)line->fields->data,
                           line->fields->len);
}

static void
line_add_asker(Line *line, const TrailAsker *asker)
{
    line_add_number(line, "MACVTAPD_UID", asker->uid);
    if (asker->pid != 0)
        line_add_number(line, "MACVTAPD_PID", asker->pid);
    line_add(line, "MACVTAPD_COMMAND", asker->command);
    line_add(line, "MACVTAPD_UNIT", asker->unit);
    if (asker->from_container)
        line_add(line, "MACVTAPD_SOCKET", "container");
}

static void
line_add_port(Line *line, const Port *port)
{
    char mac[MAC_ADDRESS_TEXT_SIZE];

    line_add(line, "MACVTAPD_NETWORK", port->network);
    line_add(line, "MACVTAPD_PORT", port->name);
    line_add(line, "MACVTAPD_PORT_ID", port->id);
    line_add(line, "MACVTAPD_INTERFACE", port->interface_name);
    line_add(line, "MACVTAPD_MAC", mac_address_format(&port->mac, mac));
}

/* Only once per connection, as it reads two files in /proc. */
static void
describe_process(const Caller *caller)
{
    g_autofree char *command = NULL, *unit = NULL;

    process_describe(caller->pid, caller->pidfd, &command, &unit);
    caller->process->command = clean(command);
    caller->process->unit = clean(unit);
}

void
trail_asker_read(const Caller *caller, TrailAsker *ret_asker)
{
    if (!caller->process->command)
        describe_process(caller);
    *ret_asker = (TrailAsker){
        .uid = caller->uid,
        .account = caller_account(caller),
        .from_container = caller->from_container,
        .pid = caller->pid,
        .command = g_strdup(caller->process->command),
        .unit = g_strdup(caller->process->unit),
    };
}

void
trail_asker_clear(TrailAsker *asker)
{
    g_clear_pointer(&asker->command, g_free);
    g_clear_pointer(&asker->unit, g_free);
}

/* "uid 1000 (qemu-system-x86, process 812, user@1000.service)"; free with g_free(). */
static char *
name_asker(const TrailAsker *asker)
{
    g_autoptr(GString) text = g_string_new(NULL);
    const char *separator = " (";

    g_string_printf(text, "uid %u%s", (guint)asker->uid,
                    asker->from_container ? " of a container" : "");
    if (asker->command[0]) {
        g_string_append(g_string_append(text, separator), asker->command);
        separator = ", ";
    }
    if (asker->pid != 0) {
        g_string_append_printf(text, "%sprocess %d", separator, (int)asker->pid);
        separator = ", ";
    }
    if (asker->unit[0]) {
        g_string_append(g_string_append(text, separator), asker->unit);
        separator = ", ";
    }
    g_string_append(text, separator[0] == ',' ? ")" : "");
    return g_string_free(g_steal_pointer(&text), FALSE);
}

void
trail_created(Trail *trail, const Caller *caller, const Port *port)
{
    g_auto(TrailAsker) asker = {0};
    g_autofree char *who = NULL;
    char mac[MAC_ADDRESS_TEXT_SIZE];
    g_auto(Line) line = {0};

    line_begin(&line, LINE_CREATED);
    trail_asker_read(caller, &asker);
    who = name_asker(&asker);
    line_add_asker(&line, &asker);
    line_add_port(&line, port);
    line_say(&line, "port %s created on %s for %s: %s, MAC %s", port->name, port->network, who,
             port->interface_name, mac_address_format(&port->mac, mac));
}

void
trail_opened(Trail *trail, const Caller *caller, const Port *port, guint n_queues)
{
    g_auto(TrailAsker) asker = {0};
    g_autofree char *who = NULL;
    g_auto(Line) line = {0};

    line_begin(&line, LINE_OPENED);
    trail_asker_read(caller, &asker);
    who = name_asker(&asker);
    line_add_asker(&line, &asker);
    line_add_port(&line, port);
    line_say(&line, "port %s opened by %s: %u queue%s", port->name, who, n_queues,
             n_queues == 1 ? "" : "s");
}

void
trail_captured(Trail *trail, const Caller *caller, const Port *port, CaptureFrames frames)
{
    static const char *const what[CAPTURE_FRAMES_COUNT] = {
        [CAPTURE_FRAMES_PASSED] = "its frames",
        [CAPTURE_FRAMES_DROPPED] = "what its guard drops",
        [CAPTURE_FRAMES_ALL] = "its frames and what its guard drops",
    };
    g_auto(TrailAsker) asker = {0};
    g_autofree char *who = NULL;
    g_auto(Line) line = {0};

    line_begin(&line, LINE_CAPTURED);
    trail_asker_read(caller, &asker);
    who = name_asker(&asker);
    line_add_asker(&line, &asker);
    line_add_port(&line, port);
    line_say(&line, "port %s captured by %s: %s", port->name, who, what[frames]);
}

static void
tell_left_out(uid_t user, guint n, gpointer user_data)
{
    g_auto(Line) line = {0};

    line_begin(&line, LINE_LEFT_OUT);
    line_add_number(&line, "MACVTAPD_COUNT", n);
    if (user == TRAIL_OTHERS) {
        line_say(&line,
                 "refused %u more requests from other users in that minute, not logged one by one",
                 n);
        return;
    }
    if (user != (uid_t)-1)
        line_add_number(&line, "MACVTAPD_UID", user);
    line_say(&line, "refused uid %u%s %u more requests in that minute, not logged one by one",
             user == (uid_t)-1 ? 0 : (guint)user, user == (uid_t)-1 ? " of a container" : "", n);
}

static void
tell_refusal(const TrailAsker *asker, const TrailRefusal *refusal, const char *more)
{
    g_autofree char *who = name_asker(asker), *network = clean(refusal->network ?: "");
    g_autofree char *port = clean(refusal->port ?: ""), *reason = clean(refusal->reason);
    g_auto(Line) line = {0};

    line_begin(&line, LINE_REFUSED);
    line_add_asker(&line, asker);
    line_add(&line, "MACVTAPD_NETWORK", network);
    line_add(&line, "MACVTAPD_PORT", port);
    line_add(&line, "MACVTAPD_REASON", reason);
    if (g_str_equal(refusal->verb, "reload"))
        line_say(&line, "refused %s to reload: %s%s", who, reason, more);
    else
        line_say(&line, "refused %s to %s %s%s%s%s: %s%s", who, refusal->verb,
                 port[0] ? "port " : "a port", port, network[0] ? " on " : "", network, reason,
                 more);
}

static gboolean
is_told(Trail *trail, uid_t account, const char **ret_more)
{
    TrailVerdict verdict =
        trail->broker
            ? trail_bound_ask(trail->bound, account, g_get_monotonic_time(), tell_left_out, NULL)
            : TRAIL_LEAVE_OUT;

    *ret_more = verdict == TRAIL_TELL_NO_MORE
                    ? " (further ones within a minute are counted, not logged)"
                    : "";
    return verdict != TRAIL_LEAVE_OUT;
}

void
trail_refused(Trail *trail, const Caller *caller, const TrailRefusal *refusal)
{
    g_auto(TrailAsker) asker = {0};
    const char *more;

    if (!is_told(trail, caller_account(caller), &more))
        return;
    trail_asker_read(caller, &asker);
    tell_refusal(&asker, refusal, more);
}

void
trail_refused_later(Trail *trail, const TrailAsker *asker, const TrailRefusal *refusal)
{
    const char *more;

    if (is_told(trail, asker->account, &more))
        tell_refusal(asker, refusal, more);
}

/* Why the port has ended without a request. Free with g_free(). */
static char *
explain_holder(const Holder *holder)
{
    const char *of_domain = holder->type == HOLDER_DOMAIN ? " of its domain" : "";

    if (holder->pid != 0)
        return g_strdup_printf("process %d%s has ended", (int)holder->pid, of_domain);
    if (holder->type == HOLDER_NAMESPACE)
        return g_strdup("its network namespace has ended");
    return g_strdup("its last descriptor is closed");
}

static char *
explain_end(const Port *port, const PortEnd *end, const char *who)
{
    const PortEnder *ender = end->ender;

    if (end->reason == PORT_END_LOST_GRANT)
        return g_strdup("its caller was gone before the reply");
    if (!ender)
        return explain_holder(&port->holder);
    if (ender->domain)
        return g_strdup_printf("its domain has ended, according to %s", who);
    return g_strdup_printf("deleted by %s", who);
}

static void
tell_end(const Port *port, const PortEnd *end)
{
    g_autofree char *who = end->ender ? name_asker(&end->ender->asker) : NULL;
    g_autofree char *reason = explain_end(port, end, who);
    g_auto(Line) line = {0};

    line_begin(&line, LINE_ENDED);
    if (end->ender)
        line_add_asker(&line, &end->ender->asker);
    line_add_port(&line, port);
    line_add(&line, "MACVTAPD_REASON", reason);
    line_say(&line, "port %s ended on %s (%s): %s", port->name, port->network, port->interface_name,
             reason);
}

static void
tell_loss(const Port *port)
{
    const char *what = port->state == PORT_STATE_PARENT_GONE ? "parent" : "device";
    g_autofree char *parent = clean(port->parent);
    g_autofree char *reason = NULL;
    g_auto(Line) line = {0};

    line_begin(&line, LINE_LOST);
    reason = g_strdup_printf("its %s %s was %s by another program", what,
                             what[0] == 'p' ? parent : port->interface_name,
                             port->is_moved ? "moved into another network namespace" : "removed");
    line_add_port(&line, port);
    line_add(&line, "MACVTAPD_REASON", reason);
    line_say(&line, "port %s lost: %s", port->name, reason);
}

/* TrailLeftOut */
static void
tell_drops_left_out(uid_t user, guint n, gpointer user_data)
{
    g_auto(Line) line = {0};

    line_begin(&line, LINE_LEFT_OUT);
    line_add_number(&line, "MACVTAPD_COUNT", n);
    if (user != TRAIL_OTHERS && user != (uid_t)-1)
        line_add_number(&line, "MACVTAPD_UID", user);
    line_say(&line,
             "guards dropped frames of %u more kinds in that minute, not logged one by one"
             " (see macvtapctl port show)",
             n);
}

/* Each kind is logged once per port, but a user may have many ports. */
static gboolean
is_drop_told(Trail *trail, const Port *port)
{
    return trail_bound_ask(trail->drops, port_account(port), g_get_monotonic_time(),
                           tell_drops_left_out, NULL) == TRAIL_TELL;
}

static void
tell_drop(const Port *port)
{
    g_auto(Line) line = {0};

    line_begin(&line, LINE_DROPPED);
    line_add_port(&line, port);
    line_add(&line, "MACVTAPD_REASON", guard_reason_name(port->drop_reason));
    line_say(&line, "port %s: %s %s", port->name,
             port->guard.verdict == GUARD_VERDICT_COUNT ? "would have dropped" : "dropped",
             port->drop_example);
}

/* BrokerWatcher */
static void
on_port_event(PortEvent event, const Port *port, const PortEnd *end, gpointer user_data)
{
    Trail *trail = user_data;

    if (event == PORT_EVENT_DELETED) {
        g_hash_table_remove(trail->lost, port->id);
        tell_end(port, end);
    } else if (event == PORT_EVENT_DROPPED) {
        if (is_drop_told(trail, port))
            tell_drop(port);
    } else if (event == PORT_EVENT_CHANGED && port->state != PORT_STATE_ACTIVE &&
               g_hash_table_add(trail->lost, g_strdup(port->id))) {
        tell_loss(port);
    }
}

Trail *
trail_new(Broker *broker)
{
    Trail *trail = g_rc_box_new0(Trail);

    trail->broker = broker;
    trail->bound = trail_bound_new();
    trail->drops = trail_bound_new();
    trail->lost = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    trail->watch = broker_watch(broker, on_port_event, trail);
    return trail;
}

Trail *
trail_ref(Trail *trail)
{
    return g_rc_box_acquire(trail);
}

static void
trail_clear(gpointer data)
{
    Trail *trail = data;

    trail_bound_free(trail->bound);
    trail_bound_free(trail->drops);
    g_hash_table_unref(trail->lost);
}

void
trail_unref(Trail *trail)
{
    g_rc_box_release_full(trail, trail_clear);
}

void
trail_close(Trail *trail)
{
    if (!trail || !trail->broker)
        return;
    broker_unwatch(trail->broker, trail->watch);
    trail->broker = NULL;
    trail_bound_end(trail->bound, tell_left_out, NULL);
    trail_bound_end(trail->drops, tell_drops_left_out, NULL);
}

void
trail_started(guint n_networks, guint n_ports)
{
    g_auto(Line) line = {0};

    line_begin(&line, LINE_STARTED);
    line_say(&line, "started: networks: %u, ports: %u", n_networks, n_ports);
}

void
trail_reloaded(guint n_networks, const Caller *caller)
{
    g_auto(TrailAsker) asker = {0};
    g_autofree char *who = NULL;
    g_auto(Line) line = {0};

    line_begin(&line, LINE_RELOADED);
    if (caller) {
        trail_asker_read(caller, &asker);
        who = name_asker(&asker);
        line_add_asker(&line, &asker);
    }
    line_say(&line, "reloaded%s%s: networks: %u", who ? " for " : "", who ?: "", n_networks);
}

/* "Mode=, MTU= and Parent="; free with g_free(). */
static char *
list_keys(const char *const *keys, guint n)
{
    GString *text = g_string_new(NULL);

    for (guint i = 0; i < n; i++)
        g_string_append_printf(text, "%s%s=", i == 0 ? "" : i + 1 == n ? " and " : ", ", keys[i]);
    return g_string_free(text, FALSE);
}

/* What happens to the network's ports; free with g_free(). */
static char *
describe_ports(const NetworkChange *change)
{
    guint n = change->n_outdated;
    g_autofree char *outdated =
        list_keys((const char *const *)change->outdated->pdata, change->outdated->len);

    if (change->n_ports == 0)
        return g_strdup("it has no ports");
    if (change->fate == NETWORK_REMOVED)
        return change->n_ports == 1
                   ? g_strdup("its port stays as it is")
                   : g_strdup_printf("its %u ports stay as they are", change->n_ports);
    if (n == 0)
        return change->n_ports == 1
                   ? g_strdup("its port is up to date")
                   : g_strdup_printf("its %u ports are up to date", change->n_ports);
    return change->n_ports == 1
               ? g_strdup_printf("its port keeps its old %s (outdated in macvtapctl port show)",
                                 outdated)
               : g_strdup_printf(
                     "%u of its %u ports keep%s old %s (outdated in macvtapctl port show)", n,
                     change->n_ports, n == 1 ? "s its" : " their", outdated);
}

void
trail_network_changed(const NetworkChange *change)
{
    guint n_keys = change->keys ? g_strv_length(change->keys) : 0;
    g_autofree char *keys = list_keys((const char *const *)change->keys, n_keys);
    g_autofree char *ports = describe_ports(change);
    g_auto(Line) line = {0};

    line_begin(&line, LINE_NETWORK);
    line_add(&line, "MACVTAPD_NETWORK", change->network);
    if (change->fate == NETWORK_ADDED)
        line_say(&line, "network %s is new", change->network);
    else if (change->fate == NETWORK_USABLE)
        line_say(&line, "network %s can be used again", change->network);
    else if (change->fate == NETWORK_REMOVED)
        line_say(&line, "network %s has been removed; %s", change->network, ports);
    else
        line_say(&line, "network %s has changed in %s; %s", change->network, keys, ports);
}
