# SPDX-License-Identifier: GPL-3.0-or-later
"""Odd zones. Each is what some real zone has in it, pushed to an edge.

A zone is its name and its records as (owner, TTL, type, content), with owners in full. What to ask it for stands beside
it: names for the five kinds of answer, where the zone has them.
"""

import dataclasses
import string


@dataclasses.dataclass
class Zone:
    name: str
    why: str
    records: list
    algorithm: str = ""      # of the key; default: PowerDNS's own choice
    nsec3: str = "1 0 0 -"   # parameters in its NSEC3 form
    positive: list = dataclasses.field(default_factory=list)    # (name, type)
    wildcard: list = dataclasses.field(default_factory=list)    # (name, type), made from a wildcard
    delegation: list = dataclasses.field(default_factory=list)  # names of delegations: DS or its absence is proven
    nodata: list = dataclasses.field(default_factory=list)      # (name, type)
    around: bool = False     # PowerDNS's API refuses such owners; pdnsutil loads them on the primary
    nxdomain: bool = True    # whether a name that is not there can be asked for

    def under(self, label):
        return label + "." if self.name == "." else f"{label}.{self.name}"

    def rrsets(self):
        """As the API takes them."""
        sets = {}
        for owner, ttl, kind, content in self.records:
            entry = sets.setdefault((owner.lower(), kind), {"name": owner, "type": kind, "ttl": ttl, "records": [],
                                                            "changetype": "REPLACE"})
            entry["records"].append({"content": content, "disabled": False})
        return list(sets.values())


SOA_TIMES = "10800 3600 604800 3600"


def zone(name, why, lines, serial=1, soa_times=SOA_TIMES, rname=None, ns="inside", **rest):
    """lines: "owner TTL type content"; @ is the apex, an owner without a final dot lies under the zone."""
    suffix = "." if name == "." else "." + name

    def full(owner):
        if owner == "@":
            return name
        return owner if owner.endswith(".") and not owner.endswith("\\.") else owner + suffix

    records = [(name, 3600, "SOA", f"ns1{suffix} {rname or 'hostmaster' + suffix} {serial} {soa_times}")]
    if ns == "elsewhere":  # where a name under the zone would be no host name
        records += [(name, 3600, "NS", "ns1.elsewhere.example."), (name, 3600, "NS", "ns2.elsewhere.example.")]
    if ns == "inside":
        records += [(name, 3600, "NS", f"ns1{suffix}"), (name, 3600, "NS", f"ns2{suffix}"),
                    (full("ns1"), 3600, "A", "192.0.2.1"), (full("ns2"), 3600, "AAAA", "2001:db8::2")]
    for line in lines if isinstance(lines, list) else lines.strip().splitlines():
        owner, ttl, kind, content = line.split(None, 3)
        records.append((full(owner), int(ttl), kind, content))
    for field in ("positive", "wildcard", "nodata"):
        rest[field] = [(full(entry.split()[0]), entry.split()[1]) for entry in rest.get(field, [])]
    rest["delegation"] = [full(owner) for owner in rest.get("delegation", [])]
    rest["positive"] = rest["positive"] or [(name, "SOA")]
    if not rest["nodata"]:
        rest["nodata"] = [(name, "HINFO")]
    return Zone(name, why, records, **rest)


def escaped(octets):
    return "".join(f"\\{octet:03d}" for octet in octets)


def strings(octets_total):
    """TXT rdata of about so many octets: full character-strings."""
    letters = string.ascii_letters + string.digits
    count = octets_total // 256
    return " ".join('"' + (letters[index % 62] * 255) + '"' for index in range(count))


LONG_LABEL = "l" * 63
# 255 octets on the wire, together with the zone's own 19
LONGEST = ".".join([LONG_LABEL, LONG_LABEL, LONG_LABEL, "x" * 43])

def many_types():
    return """
a 300 A 192.0.2.7
aaaa 300 AAAA 2001:db8:0:0:1::7
afsdb 300 AFSDB 1 afs.types.example.
apl 300 APL 1:192.0.2.0/24 !2:2001:db8::/32
caa 300 CAA 0 issue "ca.example; policy=\\"ev\\""
caa 300 CAA 128 tbs "Unknown"
cdnskey 300 CDNSKEY 0 3 0 AA==
cds 300 CDS 0 0 0 00
cert 300 CERT 1 0 0 MIIB
cname 300 CNAME a.types.example.
csync 300 CSYNC 66 3 A NS AAAA
dhcid 300 DHCID AAIBY2/AuCccgoJbsaxcQc9TUapptP69lOjxfNuVAA2kjEA=
dname 300 DNAME target.types.example.
eui48 300 EUI48 00-00-5e-00-53-2a
eui64 300 EUI64 00-00-5e-ef-10-00-00-2a
hinfo 300 HINFO "PDP-11" "RT 11 \\"x\\""
https 300 HTTPS 1 . alpn=h2,h3 port=8443 ipv4hint=192.0.2.1,192.0.2.2 ipv6hint=2001:db8::1
https-alias 300 HTTPS 0 a.types.example.
kx 300 KX 10 kx.types.example.
l32 300 L32 10 10.1.2.0
l64 300 L64 10 2001:0DB8:1140:1000
loc 300 LOC 51 56 0.123 N 5 54 0.000 E 4.00m 1.00m 10000.00m 10.00m
lp 300 LP 10 l64.types.example.
mx 300 MX 0 .
mx2 300 MX 65535 mail.types.example.
naptr 300 NAPTR 100 50 "s" "z3950+I2L+I2C" "" _z3950._tcp.types.example.
naptr 300 NAPTR 100 10 "u" "E2U+sip" "!^(\\\\+441632960083)$!sip:\\\\1@example.com!" .
nid 300 NID 10 0014:4fff:ff20:ee64
openpgpkey 300 OPENPGPKEY mQCNAzIG
ptr 300 PTR a.types.example.
rp 300 RP first\\.last.types.example. txt.types.example.
smimea 300 SMIMEA 3 1 1 aabbcc
spf 300 SPF "v=spf1 -all"
_sip._udp 300 SRV 0 0 0 .
_sip._tcp 300 SRV 10 20 5060 a.types.example.
sshfp 300 SSHFP 4 2 123456789abcdef67890123456789abcdef67890123456789abcdef123456789
svcb 300 SVCB 16 a.types.example. mandatory=alpn alpn=f\\\\\\\\oo\\\\,bar,h2 ipv4hint=192.0.2.1
_443._tcp 300 TLSA 3 1 1 0123456789abcdef
uri 300 URI 10 1 "ftp://ftp.example.com/public?a=\\"b\\""
"""


def zones():
    return [
        zone("plain.example.", "an ordinary one", """
@ 3600 MX 10 mail.plain.example.
@ 3600 TXT "v=spf1 mx -all"
www 300 A 192.0.2.10
www 300 AAAA 2001:db8::10
mail 300 A 192.0.2.11
""", positive=["www A", "@ MX"], nodata=["www MX"]),
        zone("bare.example.", "nothing but SOA and NS", []),
        zone("no-ns.example.", "no NS at the apex", "www 300 A 192.0.2.1", ns="none", positive=["www A"]),
        zone("wild.example.", "wildcards at several depths, one hidden by a name below it", """
* 300 A 192.0.2.20
*.sub 300 TXT "wild"
real.sub 300 A 192.0.2.21
deep.real.sub 300 A 192.0.2.22
*.a.b.c 300 MX 10 mail.wild.example.
""", positive=["real.sub A"], wildcard=["anything A", "some.thing.sub TXT", "q.a.b.c MX"], nodata=["anything AAAA", "c A"], nxdomain=False),
        zone("delegations.example.", "delegations, with and without DS and glue", """
insecure 300 NS ns1.insecure.delegations.example.
insecure 300 NS ns.elsewhere.example.
ns1.insecure 300 A 192.0.2.30
ns1.insecure 300 AAAA 2001:db8::30
secure 300 NS ns.elsewhere.example.
secure 300 DS 12345 13 2 49FD46E6C4B45C55D4AC69CBD3CD34AC1AFE51DE3C0B2A0B8B52BD19D0CC1C57
below.empty 300 NS ns.elsewhere.example.
*.dwild 300 A 192.0.2.31
cut.dwild 300 NS ns.elsewhere.example.
""", delegation=["insecure", "secure", "below.empty", "cut.dwild"], wildcard=["w.dwild A"]),
        zone("optout.example.", "NSEC3 with opt-out and many insecure delegations", [
            f"d{index} 300 NS ns{index}.elsewhere.example." for index in range(40)] + ["www 300 A 192.0.2.40"],
             nsec3="1 1 0 -", positive=["www A"], nxdomain=False),
        zone("empty.example.", "empty non-terminals", """
a.b.c.d.e.f.g 300 A 192.0.2.50
_service._tcp.host 300 SRV 0 0 80 a.b.c.d.e.f.g.empty.example.
""", positive=["a.b.c.d.e.f.g A"], nodata=["e.f.g A", "_tcp.host SRV", "host A"]),
        zone("2.0.192.in-addr.arpa.", "reverse, IPv4", [f"{index} 300 PTR host-{index}.plain.example." for index in range(0, 256, 5)]
             + ["0/25 300 NS ns.elsewhere.example.", "1 300 CNAME 1.0/25.2.0.192.in-addr.arpa."],
             positive=["255 PTR", "1 CNAME"], delegation=["0/25"]),
        zone("128/26.3.0.192.in-addr.arpa.", "a slash in the name", [f"{index} 300 PTR host-{index}.plain.example." for index in range(129, 191)],
             ns="elsewhere", positive=["130 PTR"]),
        zone("8.b.d.0.1.0.0.2.ip6.arpa.", "reverse, IPv6, 34 labels", [
            f"{index:x}.{'0.' * 22}f 300 PTR v6-{index}.plain.example." for index in range(16)],
             positive=[f"0.{'0.' * 22}f PTR"], nodata=["0.f PTR"]),
        zone(".", "the root", """
com. 172800 NS a.gtld-servers.example.
org. 172800 NS b.gtld-servers.example.
org. 86400 DS 26974 8 2 4FEDE294C53F438A158C41D39489CD78A86BEB0D8A0AEAFF14745C0D16E1DE32
arpa. 300 TXT "not delegated here"
""", positive=["arpa. TXT"], delegation=["com.", "org."]),
        zone("lab.", "one label", "www 300 A 192.0.2.60", positive=["www A"]),
        zone("UPPER.Example.", "upper case in the zone's name, in owners and in content", """
WWW 300 A 192.0.2.70
MiXeD.CaSe 300 CNAME WWW.UPPER.Example.
@ 300 MX 10 MAIL.Upper.EXAMPLE.
text 300 TXT "Case Is Kept Here"
""", positive=["www A", "mixed.case CNAME"]),
        zone("xn--bcher-kva.example.", "IDN", """
xn--caf-dma 300 A 192.0.2.80
xn--zckzah.xn--11b5bs3a9aj6g 300 A 192.0.2.81
""", positive=["xn--caf-dma A"]),
        zone("123.example.", "digits alone", "456 300 A 192.0.2.85", positive=["456 A"]),
        zone("-dash-.example.", "hyphens at the ends", "-- 300 A 192.0.2.86", ns="elsewhere", positive=["-- A"]),
        zone("_under.score.example.", "underscores", "_dmarc 300 TXT \"v=DMARC1; p=reject\"", ns="elsewhere", positive=["_dmarc TXT"]),
        # No octet 0: the LMDB backend of 4.7 ends a label with it.
        zone("owners.example.", "owners with every sort of octet", """
x.*.star 300 A 192.0.2.89
sp\\032ace 300 A 192.0.2.90
semi\\;colon 300 A 192.0.2.91
at\\@sign 300 A 192.0.2.92
quo\\"te 300 A 192.0.2.93
paren\\(s\\) 300 A 192.0.2.94
dollar\\$ 300 A 192.0.2.95
back\\\\slash 300 A 192.0.2.96
tab\\009 300 A 192.0.2.98
high\\255 300 A 192.0.2.99
a*b 300 A 192.0.2.100
star\\*x 300 A 192.0.2.101
per%cent 300 A 192.0.2.102
eq=ual 300 A 192.0.2.103
sla/sh 300 A 192.0.2.104
col:on 300 A 192.0.2.105
""", around=True, positive=["x.*.star A", "sp\\032ace A"]),
        zone(f"long.{'z' * 10}.", "the longest labels and a name of the greatest length", [
            f"{LONG_LABEL} 300 A 192.0.2.110", f"{LONG_LABEL}.{LONG_LABEL}.{LONG_LABEL} 300 A 192.0.2.111",
            f"{LONGEST} 300 A 192.0.2.112"], positive=[f"{LONG_LABEL} A", f"{LONGEST} A"]),
        zone("many.labels.example.", "a name of 120 labels", [f"{'.'.join('a' * 110)} 300 A 192.0.2.113"],
             positive=[f"{'.'.join('a' * 110)} A"], nodata=["a.a.a.a A"]),
        zone("txt.example.", "TXT with everything in it", [
            '@ 300 TXT ""', '@ 300 TXT "" "" ""', 'quotes 300 TXT "say \\"hi\\"" "back\\\\slash"',
            f'octets 300 TXT "{escaped(range(0, 128))}" "{escaped(range(128, 256))}"',
            'semi 300 TXT "v=DKIM1; k=rsa; p=MIGf"', 'utf8 300 TXT "gr\\195\\188\\195\\159e"',
            'newline 300 TXT "one\\010two\\013three"', 'percent 300 TXT "%s %n $ORIGIN $INCLUDE /etc/passwd"',
            'comment 300 TXT "; not a comment"', 'strings 300 TXT ' + " ".join(f'"{letter}"' for letter in string.ascii_lowercase)],
             positive=["octets TXT", "quotes TXT", "newline TXT"]),
        # A primary of PowerDNS 4.7 cannot transfer it when it does not fit, with its RRSIG and its neighbours, into one message of 65,535 octets.
        zone("big-txt.example.", "TXT of 64 KB", [f"big 300 TXT {strings(63488)}"],
             positive=["big TXT"]),
        zone("lua.example.", "LUA records, which only the primary runs", """
www 300 LUA A "ifportup(443, {'192.0.2.120', '192.0.2.121'})"
txt 300 LUA TXT ";local t = {} for i=1,3 do t[i] = 'x' .. i end return table.concat(t, ' ')"
plain 300 A 192.0.2.122
""", positive=["plain A"]),
        zone("alias.example.", "ALIAS at the apex and below", """
@ 300 ALIAS www.plain.example.
cdn 300 ALIAS cdn.elsewhere.example.
plain 300 A 192.0.2.130
""", positive=["plain A"]),
        zone("unknown.example.", "types that nobody knows", [
            "one 300 TYPE65280 \\# 4 0a000001", "two 300 TYPE65534 \\# 0 ", "one 300 TYPE65281 \\# 3 abcdef",
            "three 300 TYPE1234 \\# 16 000102030405060708090a0b0c0d0e0f"],
             positive=["one TYPE65280"], nodata=["two TYPE65280"]),
        zone("types.example.", "every type that PowerDNS knows", many_types(),
             positive=["caa CAA", "naptr NAPTR", "https HTTPS", "loc LOC"], nodata=["a NAPTR"]),
        zone("dname.example.", "DNAME", """
old 300 DNAME new.dname.example.
host.new 300 A 192.0.2.140
""", positive=["host.new A", "old DNAME"]),
        zone("cname.example.", "chains of CNAMEs, a wildcard CNAME, one that leads nowhere", """
one 300 CNAME two.cname.example.
two 300 CNAME three.cname.example.
three 300 A 192.0.2.150
*.wild 300 CNAME three.cname.example.
nowhere 300 CNAME missing.cname.example.
""", positive=["one A", "two CNAME"], wildcard=["x.wild A"]),
        zone("ttl.example.", "TTLs of 0 and of the greatest value, a SOA minimum of 0", """
zero 0 A 192.0.2.160
max 2147483647 A 192.0.2.161
week 604800 A 192.0.2.162
""", soa_times="1 1 1 0", positive=["zero A", "max A"]),
        zone("serial-max.example.", "the greatest serial", "www 300 A 192.0.2.170", serial=4294967295, positive=["www A"]),
        zone("serial-half.example.", "a serial beyond the middle", "www 300 A 192.0.2.171", serial=2147483649, positive=["www A"]),
        zone("rname.example.", "a dot in the mailbox of the SOA", "www 300 A 192.0.2.180", rname="first\\.last.rname.example.", positive=["www A"]),
        zone("rrset.example.", "one RRset of 1,000 records", [f"many 300 A 10.0.{index // 250}.{index % 250}" for index in range(1000)],
             positive=["ns1 A"]),
        zone("names.example.", "500 names", [f"host{index} 300 A 10.1.{index // 250}.{index % 250}" for index in range(500)],
             positive=["host499 A"]),
        zone("parent.example.", "a zone whose child is here too", """
child 300 NS ns1.child.parent.example.
ns1.child 300 A 192.0.2.190
www 300 A 192.0.2.191
""", positive=["www A"]),
        zone("child.parent.example.", "the child", "www 300 A 192.0.2.192", positive=["www A"]),
        zone("rsa.example.", "RSA keys", "www 300 A 192.0.2.200", algorithm="rsasha256", positive=["www A"]),
        zone("p384.example.", "ECDSA P-384", "www 300 A 192.0.2.201", algorithm="ecdsa384", positive=["www A"]),
        zone("ed25519.example.", "Ed25519", "www 300 A 192.0.2.202", algorithm="ed25519", positive=["www A"]),
        zone("salted.example.", "NSEC3 with iterations and salt", "www 300 A 192.0.2.203\n*.w 300 A 192.0.2.204", nsec3="1 0 5 aabbccdd",
             positive=["www A"], wildcard=["x.w A"]),
    ]
