/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "unit.h"

#include "captured-frame.h"

#define MACS                                                                                       \
    "ffffffffffff"                                                                                 \
    "525400000001"
#define BOTH "52:54:00:00:00:01 > ff:ff:ff:ff:ff:ff "
#define IP4_SOURCES                                                                                \
    "0a000005"                                                                                     \
    "0a000009"
#define IP6_SOURCES                                                                                \
    "fd000000000000000000000000000005"                                                             \
    "fd000000000000000000000000000009"

typedef struct Row {
    const char *frame; /* in hex */
    const char *text;  /* without the length */
} Row;

static const Row rows[] = {
    {"", "Ethernet [cut]"},
    {"ffffffffffff5254000000", "Ethernet [cut]"},
    {MACS "08", BOTH "Ethernet [cut]"},
    {MACS "8100", BOTH "Ethernet [cut]"},
    {MACS "81000064", BOTH "vlan 100 Ethernet [cut]"},
    {MACS "8100006488b5", BOTH "vlan 100 EtherType 0x88b5"},
    {MACS "88a8000181000064"
          "88cc",
     BOTH "vlan 1 vlan 100 LLDP"},
    {MACS "0026424203", BOTH "LLC"},
    {MACS "0806"
          "0001",
     BOTH "ARP [cut]"},
    {MACS "0806"
          "0006080006040001"
          "5254000000010a000005"
          "0000000000000a000009",
     BOTH "ARP not for IPv4 on Ethernet"},
    {MACS "0806"
          "0001080006040001"
          "5254000000010a000005"
          "0000000000000a000009",
     BOTH "ARP who-has 10.0.0.9 tell 10.0.0.5"},
    {MACS "0806"
          "0001080006040002"
          "5254000000010a000005"
          "0000000000000a000009",
     BOTH "ARP 10.0.0.5 is-at 52:54:00:00:00:01"},
    {MACS "8035"
          "0001080006040003"
          "52540000000100000000"
          "52540000000100000000",
     BOTH "RARP who-is 52:54:00:00:00:01"},
    {MACS "0806"
          "0001080006040009"
          "5254000000010a000005"
          "0000000000000a000009",
     BOTH "ARP operation 9"},
    {MACS "0800"
          "45",
     BOTH "IPv4 [cut]"},
    {MACS "0800"
          "4400001400000000400600000a0000050a000009",
     BOTH "IPv4 [cut]"},
    {MACS "0800"
          "4500002800000000"
          "40060000" IP4_SOURCES "03e801bb"
          "0000000100000000"
          "50120000"
          "00000000",
     BOTH "10.0.0.5.1000 > 10.0.0.9.443: TCP [S.]"},
    {MACS "0800"
          "4500002800000000"
          "40060000" IP4_SOURCES "03e801bb",
     BOTH "10.0.0.5.1000 > 10.0.0.9.443: TCP [cut]"},
    {MACS "0800"
          "4600002800000000"
          "40110000" IP4_SOURCES "01010101"
          "00440043"
          "00100000",
     BOTH "10.0.0.5.68 > 10.0.0.9.67: UDP DHCP"},
    {MACS "0800"
          "4500002800000000"
          "40110000" IP4_SOURCES "03e8003500100000",
     BOTH "10.0.0.5.1000 > 10.0.0.9.53: UDP DNS"},
    {MACS "0800"
          "4500002800000000"
          "40110000" IP4_SOURCES "03",
     BOTH "10.0.0.5 > 10.0.0.9: UDP"},
    {MACS "0800"
          "4500002800000000"
          "40010000" IP4_SOURCES "08000000",
     BOTH "10.0.0.5 > 10.0.0.9: ICMP echo request"},
    {MACS "0800"
          "4500002800002010"
          "40110000" IP4_SOURCES "03e8003500100000",
     BOTH "10.0.0.5 > 10.0.0.9: protocol 17, fragment at 128"},
    {MACS "0800"
          "4500002800002000"
          "40010000" IP4_SOURCES "2a000000",
     BOTH "10.0.0.5 > 10.0.0.9: ICMP type 42, fragment at 0"},
    {MACS "0800"
          "4500002800000000"
          "40020000" IP4_SOURCES,
     BOTH "10.0.0.5 > 10.0.0.9: IGMP"},
    {MACS "0800"
          "4500002800000000"
          "40fd0000" IP4_SOURCES,
     BOTH "10.0.0.5 > 10.0.0.9: protocol 253"},
    {MACS "86dd"
          "60",
     BOTH "IPv6 [cut]"},
    {MACS "86dd"
          "60000000"
          "001811ff" IP6_SOURCES "02220223"
          "00100000",
     BOTH "fd00::5.546 > fd00::9.547: UDP DHCPv6"},
    {MACS "86dd"
          "60000000"
          "00183aff" IP6_SOURCES "88000000"
          "00000000"
          "fd000000000000000000000000000005",
     BOTH "fd00::5 > fd00::9: ICMPv6 neighbor advertisement fd00::5"},
    {MACS "86dd"
          "60000000"
          "00183aff" IP6_SOURCES "87000000"
          "00000000fd00",
     BOTH "fd00::5 > fd00::9: ICMPv6 neighbor solicitation"},
    {MACS "86dd"
          "60000000"
          "002000ff" IP6_SOURCES "3c00000000000000"
          "3a00000000000000"
          "86000000",
     BOTH "fd00::5 > fd00::9: ICMPv6 router advertisement"},
    {MACS "86dd"
          "60000000"
          "00202cff" IP6_SOURCES "3a00000100000001"
          "86000000",
     BOTH "fd00::5 > fd00::9: ICMPv6 router advertisement, fragment at 0"},
    {MACS "86dd"
          "60000000"
          "00202cff" IP6_SOURCES "3a00010100000001"
          "86000000",
     BOTH "fd00::5 > fd00::9: protocol 58, fragment at 256"},
    {MACS "86dd"
          "60000000"
          "00203cff" IP6_SOURCES "3aff000000000000"
          "86000000",
     BOTH "fd00::5 > fd00::9: ICMPv6 [cut]"},
};

static GByteArray *
from_hex(const char *hex)
{
    GByteArray *bytes = g_byte_array_new();

    for (; hex[0]; hex += 2) {
        guint8 byte = (guint8)(g_ascii_xdigit_value(hex[0]) << 4 | g_ascii_xdigit_value(hex[1]));

        g_byte_array_append(bytes, &byte, 1);
    }
    return bytes;
}

static void
test_rows(void **state)
{
    for (gsize i = 0; i < G_N_ELEMENTS(rows); i++) {
        g_autoptr(GByteArray) frame = from_hex(rows[i].frame);
        g_autofree char *wanted = g_strdup_printf("%s, length 1514", rows[i].text);
        GString *line = g_string_new(NULL);

        capture_text_append(line, frame->data, frame->len, 1514);
        assert_string_equal(line->str, wanted);
        g_string_free(line, TRUE);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
