/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "captured-frame.h"

#include "arguments.h"

#ifdef WITH_PCAP

#include <pcap/pcap.h>

struct CaptureFilter {
    struct bpf_program program;
};

CaptureFilter *
capture_filter_new(const char *expression, int snap_length, GError **error)
{
    pcap_t *pcap = pcap_open_dead(DLT_EN10MB, snap_length);
    CaptureFilter *filter = g_new0(CaptureFilter, 1);

    if (pcap_compile(pcap, &filter->program, expression, 1, PCAP_NETMASK_UNKNOWN) < 0) {
        arguments_refuse(error, "'%s' is not a filter: %s (see pcap-filter(7))", expression,
                         pcap_geterr(pcap));
        g_clear_pointer(&filter, g_free);
    }
    pcap_close(pcap);
    return filter;
}

void
capture_filter_free(CaptureFilter *filter)
{
    if (!filter)
        return;
    pcap_freecode(&filter->program);
    g_free(filter);
}

gboolean
capture_filter_matches(const CaptureFilter *filter, const guint8 *bytes, guint n, guint length)
{
    const struct pcap_pkthdr header = {.caplen = n, .len = length};

    return pcap_offline_filter(&filter->program, &header, bytes) != 0;
}

#else

CaptureFilter *
capture_filter_new(const char *expression, int snap_length, GError **error)
{
    arguments_refuse(error, "this macvtapctl was built without libpcap, so it has no filters: "
                            "write everything with -w and filter it with tcpdump");
    return NULL;
}

void
capture_filter_free(CaptureFilter *filter)
{
}

gboolean
capture_filter_matches(const CaptureFilter *filter, const guint8 *bytes, guint n, guint length)
{
    return TRUE;
}

#endif
