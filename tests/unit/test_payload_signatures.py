"""Signatures: messages as standards and programs write them, and every pattern against all the others."""

from __future__ import annotations

import os
import re
import struct
from collections import Counter
from pathlib import Path

import pytest

import classifier
from classifier import payload
from classifier.errors import RulesError
from classifier.payload import Certainty
from classifier.payload.signatures import TRANSPORTS, Message, table
from classifier.services.files import FOLDER, read_toml
from classifier.services.rules import Rules

TCP, UDP = 6, 17
SHARED = Path(os.environ.get("CLASSIFIER_SHARED", "/nowhere")) / "captures"
TABLE = payload.load()
FILES = sorted((FOLDER / "payload").glob("*.toml"))


def bytes_of(text: str) -> bytes:
    """Bytes written as hex, with text in quotes between them."""
    parts = re.findall(r"'([^']*)'|([0-9a-f]{2})(?:\*(\d+))?", text)
    return b"".join(
        quoted.encode() if not pair else bytes.fromhex(pair) * int(count or 1)
        for quoted, pair, count in parts
    )


NAME = "03'www'07'example'03'com'00"
NBNS = "20'EKEFEMEMEPCACACACACACACACACACACA'00"
SPI = "0102030405060708"
#: Protocol, its port, bytes of the client, bytes of the server; None: it says nothing that shows its side.
#: From the standards named in the rules: their examples, or their fields filled in.
TALKS: list[tuple[str, int, int, str | None, str | None]] = [
    ("http", TCP, 80, "'GET /index.html HTTP/1.1'0d0a'Host: a.example'0d0a0d0a", "'HTTP/1.1 200 OK'0d0a"),
    ("http", TCP, 3128, "'CONNECT a.example:443 HTTP/1.1'0d0a0d0a", "'HTTP/1.0 407 Proxy'0d0a"),
    (
        "websocket",
        TCP,
        80,
        "'GET /chat HTTP/1.1'0d0a'Upgrade: websocket'0d0a",
        "'HTTP/1.1 101 Switching Protocols'0d0a'Upgrade: WebSocket'0d0a",
    ),
    ("http2", TCP, 80, "'PRI * HTTP/2.0'0d0a0d0a'SM'0d0a0d0a", "00000c040000000000"),
    ("tls", TCP, 443, "16030100c8010000c40303", "16030300390200003503 03"),
    ("tls", TCP, 443, "16030300461000004241 04", "16030300040e000000"),
    (
        "dtls",
        UDP,
        443,
        "16 0100 0000 000000000000 0056 01 00004a 00*82",
        "16 0100 0000 000000000000 0023 03 000017 00*31",
    ),
    ("dtls", UDP, 4433, "16fefd0000000000000000006001000054", "16feff000000000000000000230300 0017"),
    ("fastcgi", TCP, 9000, "01010001000800000001000000000000", "0106000100500000'X-Powered-By'"),
    ("ajp13", TCP, 8009, "12340001 0a", "4142 0002 05 01"),
    ("ftp", TCP, 21, "'USER anonymous'0d0a", "'220 (vsFTPd 3.0.3)'0d0a"),
    ("ftp", TCP, 4021, "'PASV'0d0a", "'227 Entering Passive Mode (10,0,0,1,4,1).'0d0a"),
    ("smtp", TCP, 25, "'EHLO client.example'0d0a", "'220 mx.example ESMTP Postfix'0d0a"),
    ("smtp", TCP, 2626, "'MAIL FROM:<a@b.example>'0d0a", "'250-PIPELINING'0d0a'250 SMTPUTF8'0d0a"),
    ("lmtp", TCP, 24, "'LHLO foo.example'0d0a", None),
    ("pop3", TCP, 110, "'USER mrose'0d0a", "'+OK POP3 server ready'0d0a"),
    ("pop3", TCP, 1110, "'STLS'0d0a", "'+OK Dovecot ready.'0d0a"),
    ("imap", TCP, 143, "'a001 LOGIN SMITH SESAME'0d0a", "'* OK [CAPABILITY IMAP4rev1] ready'0d0a"),
    ("imap", TCP, 143, "'a3 SELECT INBOX'0d0a", "'a1 OK LOGIN completed'0d0a"),
    ("managesieve", TCP, 4190, None, '\'"IMPLEMENTATION" "Dovecot Pigeonhole"\'0d0a'),
    ("nntp", TCP, 119, "'MODE READER'0d0a", "'200 news.example InterNetNews NNRP server ready'0d0a"),
    ("irc", TCP, 6667, "'NICK Wiz'0d0a", "':irc.example 001 Wiz :Welcome'0d0a"),
    ("irc", TCP, 6667, "'PONG irc.example'0d0a", "'PING :irc.example'0d0a"),
    (
        "xmpp",
        TCP,
        5222,
        '\'<?xml version="1.0"?><stream:stream xmlns="jabber:client" to="a.example">\'',
        None,
    ),
    ("mqtt", TCP, 1883, "10 0e 0004'MQTT'04 02 003c 0002'id'", "20020000"),
    ("mqtt", TCP, 1883, "82 0a 0001 0005'a/b/c'00", "9003 0001 00"),
    ("amqp", TCP, 5672, "'AMQP'00000901", "01 0000 000001d0 000a000a 0009"),
    ("amqp", TCP, 5672, "01 0000 00000050 000a000b", "01 0000 0000000c 000a001e"),
    ("stomp", TCP, 61613, "'CONNECT'0a'accept-version:1.2'0a", "'CONNECTED'0a'version:1.2'0a"),
    ("nats", TCP, 4222, "'CONNECT {\"verbose\":false}'0d0a", '\'INFO {"server_id":"x"}\'0d0a'),
    (
        "llmnr",
        UDP,
        5355,
        "1234 0000 0001 0000 0000 0000 03'abc'00 0001 0001",
        "1234 8000 0001 0001 0000 0000 03'abc'00 0001 0001",
    ),
    (
        "netbios-ns",
        UDP,
        137,
        f"8001 0110 0001 0000 0000 0000 {NBNS} 0020 0001",
        f"8001 8500 0000 0001 0000 0000 {NBNS} 0020 0001",
    ),
    ("netbios-dgm", UDP, 138, f"110a 1234 0a000001 008a 00bb 0000 {NBNS}", None),
    (
        "dns",
        UDP,
        53,
        f"0001 0100 0001 0000 0000 0000 {NAME} 0001 0001",
        f"0001 8180 0001 0001 0000 0000 {NAME} 0001 0001 c00c",
    ),
    ("dns", UDP, 53, f"0001 2400 0001 0000 0000 0000 {NAME} 0006 0001", None),
    (
        "dns",
        TCP,
        53,
        f"0021 0001 0100 0001 0000 0000 0000 {NAME} 0001 0001",
        f"0031 0001 8180 0001 0001 0000 0000 {NAME} 0001 0001 c00c",
    ),
    ("ssdp", UDP, 1900, "'M-SEARCH * HTTP/1.1'0d0a", "'HTTP/1.1 200 OK'0d0a'ST: upnp:rootdevice'0d0a"),
    (
        "ws-discovery",
        UDP,
        3702,
        "'<?xml?><a>http://schemas.xmlsoap.org/ws/2005/04/discovery/Probe</a>'",
        "'<?xml?><a>http://schemas.xmlsoap.org/ws/2005/04/discovery/ProbeMatches</a>'",
    ),
    ("slp", UDP, 427, "02 01 000031 0000 000000 0001 0002'en'", "02 02 000012 0000 000000 0001 0002'en'"),
    ("dhcp", UDP, 67, "01 01 06 00 00*232 63825363", "02 01 06 00 00*232 63825363"),
    ("dhcpv6", UDP, 547, "01 102030 0001 000e 00*14", "02 102030 0001 000e 00*14"),
    ("ntp", UDP, 123, "23 00 06 20 00*44", "24 02 06 e9 00000800 00000a00 00*36"),
    ("ntp", UDP, 123, "16 02 0001 0000 0000 0000 0000", "16 82 0001 0615 0000 0000 01d4"),
    ("ntp", UDP, 123, "17 00 03 2a 00*4", "97 00 03 2a 00*4"),
    ("nat-pmp", UDP, 5351, "00 02 0000 1f90 1f90 00000e10", "00 82 0000 00000001 1f90 1f90 00000e10"),
    ("wake-on-lan", UDP, 9, "ff*6 " + "0a0b0c0d0e0f" * 16, None),
    ("ident", TCP, 113, "'6193, 23'0d0a", "'6193, 23 : USERID : UNIX : stjohns'0d0a"),
    (
        "snmp",
        UDP,
        161,
        "3026 020100 0406'public' a019 020401020304",
        "3026 020101 0406'public' a219 020401020304",
    ),
    ("snmp", UDP, 162, "3026 020101 0406'public' a719 020401020304", None),
    (
        "snmp",
        UDP,
        161,
        "3040 020103 3010 02047a7b7c7d 020300ffe3 040104 020103",
        "3040 020103 3010 02047a7b7c7d 020300ffe3 040100 020103",
    ),
    (
        "dhcpv6",
        UDP,
        547,
        "0c 00 20010db8 00*12 fe80 00*14 0009 0034",
        "0d 00 20010db8 00*12 fe80 00*14 0009 0034",
    ),
    ("bjnp", UDP, 8612, "'BJNP' 02 01 0000 0000 0000 00000000", "'BJNP' 82 01 0000 0000 0000 00000010"),
    ("radius", UDP, 1813, "04 00 0018 00*16 01 04'ab'", "05 00 0018 00*16 01 04'ab'"),
    ("radius", UDP, 1812, "01 00 0018 00*16 01 04'ab'", "02 00 0014 00*16"),
    ("tacacs", TCP, 49, "c0 01 01 00 12345678 00000002 0101", "c0 01 02 00 12345678 00000002 0101"),
    (
        "diameter",
        TCP,
        3868,
        "01 000014 80 000101 00000000 00000001 00000002",
        "01 000014 00 000101 00000000 00000001 00000002",
    ),
    ("kerberos", UDP, 88, "6a 81aa 3081a7 a103020105", "7e 58 3056 a003020105"),
    ("kerberos", TCP, 88, "000000b0 6a 81aa 3081a7 a103020105", "00000060 6b 58 3056 a003020105"),
    ("kpasswd", UDP, 464, "000c ff80 0004 6e023000 00*2", "000c 0001 0004 6f023000 00*2"),
    ("ldap", TCP, 389, "300c 020101 6007 020103 0400 8000", "300c 020101 6107 0a0100 0400 0400"),
    ("cldap", UDP, 389, "3025 020101 6320 0400 0a0100", "3025 020101 6420 0400 3020"),
    ("syslog", UDP, 514, "'<34>Oct 11 22:14:15 mymachine su: failed'", None),
    ("syslog", TCP, 514, "'83 <34>1 2003-10-11T22:14:15.003Z a.example su'", None),
    ("netflow", UDP, 2055, "0005 0001 00000001 5f000000 00*60", None),
    ("netflow", UDP, 2055, "0007 0001 00000001 5f000000 00000001 00000001 00000000 00*52", None),
    ("netflow", UDP, 2055, "0009 0001 00000001 5f000000 00000001 00000000 0000 0010 0100", None),
    ("ipfix", UDP, 4739, "000a 0014 5f000000 00000001 00000000 00*4", None),
    ("sflow", UDP, 6343, "00000005 00000001 0a000001", None),
    ("collectd", UDP, 25826, "0000 000c 'hostname'00", None),
    ("statsd", UDP, 8125, "'gorets:1|c'", None),
    (
        "zabbix",
        TCP,
        10051,
        "'ZBXD'01 0a00000000000000 '{\"request\":\"agent data\"}'",
        "'ZBXD'01 0a00000000000000 '{\"response\":\"success\"}'",
    ),
    ("nrpe", TCP, 5666, "0002 0001 12345678 0000", "0002 0002 12345678 0000"),
    ("openflow", TCP, 6653, "04 06 0020 00000001", "04 05 0008 00000001"),
    (
        "isakmp",
        UDP,
        500,
        f"{SPI} 00*8 21 20 22 08 00000000 0000001c",
        f"{SPI} {SPI} 21 20 22 20 00000000 0000001c",
    ),
    (
        "isakmp",
        UDP,
        4500,
        f"00*4 {SPI} {SPI} 2e 20 23 08 00000001 0000001c",
        f"00*4 {SPI} {SPI} 2e 20 23 20 00000001 0000001c",
    ),
    ("wireguard", UDP, 51820, "01000000 5a*144", "02000000 5a*88"),
    ("openvpn", UDP, 1194, f"38 {SPI} 00 00000000", f"40 {SPI} 01 00000000 {SPI} 00000000"),
    ("openvpn", TCP, 1194, f"000e 38 {SPI} 00 00000000", f"001a 40 {SPI} 01 00000000 {SPI} 00000000"),
    (
        "l2tp",
        UDP,
        1701,
        "c802 0014 0000 0000 0000 0000 8008 0000 0000 0001",
        "c802 0014 0001 0000 0000 0001 8008 0000 0000 0002",
    ),
    ("pptp", TCP, 1723, "009c 0001 1a2b3c4d 0001 0000", "009c 0001 1a2b3c4d 0002 0000"),
    ("gtp", UDP, 2123, "32 01 0004 00000000 00000000", "32 02 0006 00000000 00000000 0e00"),
    ("vxlan", UDP, 4789, "08000000 00002a00 00*20", None),
    ("rip", UDP, 520, "01 02 0000 0000 0000 00", None),
    ("icp", UDP, 3130, "01 02 0014 00*16", "02 02 0014 00*16"),
    (
        "ssh",
        TCP,
        22,
        "000005dc 0a 14 5a*16 0000 0100 'curve25519-sha256,ext-info-c'",
        "000005dc 0a 14 5a*16 0000 0100 'curve25519-sha256,kex-strict-s-v00@openssh.com'",
    ),
    (
        "ssh",
        TCP,
        22,
        "0000002c 06 1e 00000020 5a*38",
        "00000104 0a 1f 00000068 00000013 'ecdsa-sha2-nistp256'",
    ),
    ("telnet", TCP, 23, "fffb1f fffb20", "fffd18 fffd20"),
    ("telnet", TCP, 23, "fffc25", "'Ubuntu 22.04'0d0a'host login: '"),
    ("rlogin", TCP, 513, "00 'bostic'00'kbostic'00'vt100/9600'00", "00"),
    (
        "rdp",
        TCP,
        3389,
        "0300 0013 0e e0 0000 0000 00 01 00 08 00 03000000",
        "0300 0013 0e d0 0000 1234 00 02 00 08 00 02000000",
    ),
    ("x11", TCP, 6000, "6c 00 0b00 0000 0000 0000 0000", "01 00 0b00 0000 5001"),
    ("ica", TCP, 1494, None, "7f7f'ICA'00"),
    ("cgp", TCP, 2598, "1a'CGP/01'00", None),
    ("socks", TCP, 1080, "05 01 00 01 0a000001 0050", "05 00 00 01 0a000001 0050"),
    ("socks", TCP, 1080, "04 01 0050 0a000001 00", "00 5a 0050 0a000001"),
    ("socks", TCP, 1080, "05 01 00", "05 00"),
    ("smb", TCP, 445, "00000054 ff'SMB'72 00000000 18 5343", "00000054 ff'SMB'72 00000000 98 5343"),
    (
        "smb",
        TCP,
        445,
        "00000066 fe'SMB'4000 0000 00000000 0000 0100 00000000",
        "00000066 fe'SMB'4000 0000 00000000 0000 0100 01000000",
    ),
    ("netbios-ssn", TCP, 139, f"81000044 {NBNS} {NBNS}", "82000000"),
    (
        "dce-rpc",
        TCP,
        135,
        "05 00 0b 03 10000000 4800 0000 01000000",
        "05 00 0c 03 10000000 3c00 0000 01000000",
    ),
    ("dce-rpc", UDP, 34964, "04 00 20 00 10000000 5a*60 5a*4", "04 02 08 00 10000000 5a*60 5a*4"),
    ("nfs", TCP, 2049, "80000028 12345678 00000000 00000002 000186a3 00000003", None),
    ("nfs", UDP, 2049, "12345678 00000000 00000002 000186a3 00000003", None),
    ("sunrpc", TCP, 111, "80000028 12345678 00000000 00000002 000186a0 00000002", None),
    ("sunrpc", UDP, 111, "12345678 00000000 00000002 000186a0 00000002", None),
    (
        "onc-rpc",
        TCP,
        920,
        "80000028 12345678 00000000 00000002 000186a5 00000003",
        "80000018 12345678 00000001 00000000 00000000",
    ),
    (
        "onc-rpc",
        UDP,
        920,
        "12345678 00000000 00000002 000186a5 00000003",
        "12345678 00000001 00000000 00000000 00000000 00000000",
    ),
    ("tftp", UDP, 69, "0001 'rfc1350.txt'00'octet'00", "0006 'blksize'00'1432'00"),
    ("afp", TCP, 548, "00 04 0001 00000000 00000000 00000000", "01 04 0001 00000000 00000000 00000000"),
    (
        "iscsi",
        TCP,
        3260,
        "43 87 0000 00 0000c8 00*40 'InitiatorName=iqn.1993-08.org.debian'00",
        "23 87 0000 00 000030 00*28 0000 00*10",
    ),
    ("nbd", TCP, 10809, "00000003'IHAVEOPT'00000007", "'NBDMAGICIHAVEOPT'0003"),
    (
        "git",
        TCP,
        9418,
        "'0033git-upload-pack /project.git'00",
        "'00887217a7c7e582c46cec22a130adf4b9d7d950fba0 HEAD'00",
    ),
    ("svn", TCP, 3690, "'( 2 ( edit-pipeline ) '", "'( success ( 2 2 ( ) ( edit-pipeline ) ) ) '"),
    ("cvspserver", TCP, 2401, "'BEGIN AUTH REQUEST'0a'/cvs'0a", "'I LOVE YOU'0a"),
    ("rsync", TCP, 873, None, "'@RSYNCD: OK'0a"),
    ("printer", TCP, 515, "02'lp'0a", "00"),
    ("pdl-datastream", TCP, 9100, "1b'%-12345X@PJL JOB'", None),
    (
        "mysql",
        TCP,
        3306,
        "24000001 85a6ff01 00000001 21 00*23 'root'00",
        "11000000 0a '8.0.36'00 08000000 00*5",
    ),
    ("mysql", TCP, 3306, "09000000 03 'select 1'", "0700000200000002000000"),
    ("postgresql", TCP, 5432, "00000008 04d2162f", "'R' 00000008 00000005 01020304"),
    ("postgresql", TCP, 5432, "00000010 00030000 'user'00'a'0000", "'Z' 00000005 49"),
    ("redis", TCP, 6379, "'*2'0d0a'$3'0d0a'GET'0d0a'$1'0d0a'k'0d0a", "'+PONG'0d0a"),
    (
        "mongodb",
        TCP,
        27017,
        "15000000 01000000 00000000 dd070000 00*5",
        "15000000 02000000 01000000 dd070000 00*5",
    ),
    ("cassandra", TCP, 9042, "04 00 0000 05 00000000", "84 00 0000 06 00000002 0000"),
    ("memcached", TCP, 11211, "'get somekey'0d0a", "'VALUE somekey 0 5'0d0a"),
    (
        "memcached",
        TCP,
        11211,
        "80 00 0003 00 00 0000 00000003 00000000 00*8 'abc'",
        "81 00 0000 00 00 0001 00000000 00000000 00*8",
    ),
    ("memcached", UDP, 11211, "0001 0000 0001 0000 'get k'0d0a", "0001 0000 0001 0000 'END'0d0a"),
    (
        "elasticsearch",
        TCP,
        9300,
        "'ES' 00000010 0000000000000001 00 00*7",
        "'ES' 00000010 0000000000000001 01 00*7",
    ),
    ("tds", TCP, 1433, "12 01 000a 0000 00 00 0000", "04 01 000a 0000 01 00 0000"),
    ("sql-browser", UDP, 1434, "04'SQLEXPRESS'00", "05 0e00 'ServerName;ABC'"),
    ("oracle-tns", TCP, 1521, "000c 0000 01 00 0000 0134 012c", "0009 0000 02 00 0000 00"),
    ("kafka", TCP, 9092, "0000000e 0002 0000 00000000 ffff 00*4", None),
    ("kafka", TCP, 9092, "00000015 0012 0003 00000001 0003 'rdkafka'00*4", "00000008 00000001 00*4"),
    (
        "zookeeper",
        TCP,
        2181,
        "0000002c 00000000 0000000000000000 00001388 00*20",
        "00000024 00000000 00001388",
    ),
    ("neo4j", TCP, 7687, "6060b017 00000404", None),
    ("clickhouse", TCP, 9000, "00 11'ClickHouse client'", "00 0a'ClickHouse'18"),
    ("db2", TCP, 50000, "002a d041 0001 0024 1041", "002a d043 0001 0024 1443"),
    ("firebird", TCP, 3050, "00000001 00000013 00000002 00000001", None),
    ("java-rmi", TCP, 1099, "'JRMI' 0002 4b", None),
    ("giop", TCP, 2809, "'GIOP' 0102 01 00", "'GIOP' 0102 01 01"),
    ("thrift", TCP, 9090, "00000011 80010001 00000004'ping'", "00000011 80010002 00000004'ping'"),
    ("gearman", TCP, 4730, "00'REQ' 00000010 00000000", "00'RES' 00000011 00000000"),
    ("hadoop-ipc", TCP, 8020, "'hrpc' 09 00 00", None),
    ("dicom", TCP, 104, "01 00 000000cd 0001 0000 'STORESCP'", "02 00 000000b8 0001 0000 'STORESCP'"),
    ("sip", UDP, 5060, "'REGISTER sip:a.example SIP/2.0'0d0a", "'SIP/2.0 200 OK'0d0a"),
    ("sip", TCP, 5060, "'INVITE sip:bob@a.example SIP/2.0'0d0a", "'SIP/2.0 180 Ringing'0d0a"),
    ("rtsp", TCP, 554, "'DESCRIBE rtsp://a.example/m RTSP/1.0'0d0a", "'RTSP/1.0 200 OK'0d0a"),
    ("stun", UDP, 3478, "0001 0000 2112a442 00*12", "0101 0000 2112a442 00*12"),
    ("stun", UDP, 3478, "0003 0000 2112a442 00*12", "0113 0000 2112a442 00*12"),
    ("stun", TCP, 3478, "0001 0000 2112a442 00*12", "0101 0000 2112a442 00*12"),
    ("mgcp", UDP, 2427, "'CRCX 1204 aaln/1@a.example MGCP 1.0'0d0a", "'200 1204 OK'0d0a"),
    ("skinny", TCP, 2000, "04000000 00000000 01000000", "04000000 00000000 00010000"),
    ("h323", TCP, 1720, "0300 0030 08 02 0001 05 04", "0300 0030 08 02 8001 07 28"),
    ("iax", UDP, 4569, "8001 0000 00000001 00 00 06 01", None),
    ("rtmp", TCP, 1935, "03 000000 0000c7 14 00000000 02 0007 'connect'", None),
    ("modbus", TCP, 502, "0001 0000 0006 01 03 0000 0001", "0001 0000 0005 01 03 02 0000"),
    ("modbus", TCP, 502, "0001 0000 0009 01 10 0000 0001 02 0005", "0001 0000 0003 01 83 02"),
    ("dnp3", TCP, 20000, "0564 05 c0 0100 0000 0421", "0564 05 00 0000 0100 0421"),
    ("iec-104", TCP, 2404, "68 04 07000000", "68 04 0b000000"),
    ("s7comm", TCP, 102, "0300 0019 02f080 32 01 0000", "0300 0019 02f080 32 03 0000"),
    ("iso-tsap", TCP, 102, "0300 0016 11 e0 0000 0001 00 c1 02", "0300 0016 11 d0 0001 0002 00 c0 01"),
    ("opcua", TCP, 4840, "'HELF' 08000000", "'ACKF' 1c000000"),
    ("ethernet-ip", TCP, 44818, "6500 0400 00000000 00000000 00*16", "6500 0400 01000000 00000000 00*16"),
    (
        "ethernet-ip",
        UDP,
        44818,
        "6300 0000 00000000 00000000 00*8 00000000",
        "6300 0200 00000000 00000000 00*14",
    ),
    ("bacnet", UDP, 47808, "81 0a 0009 01 04 0005 01", "81 0a 0009 01 00 3001 0c"),
    ("fins", UDP, 9600, "80 00 02 00 01 00 00 02 00 01 01 01", "c0 00 02 00 02 00 00 01 00 01 01 01"),
    ("fins", TCP, 9600, "'FINS' 0000000c 00000000 00000000", "'FINS' 00000010 00000001 00000000"),
    ("knx", UDP, 3671, "06 10 02 01 000e 08 01 c0a80001 0e57", "06 10 02 02 000e 08 01 c0a80001 0e57"),
    ("coap", UDP, 5683, "40 01 7d34 bb'temperature'", "60 45 7d34 ff'22.3 C'"),
    (
        "synchrophasor",
        TCP,
        4712,
        "aa41 0012 00f1 5f000000 00000000 0002 abcd",
        "aa31 0010 00f1 5f000000 00*6",
    ),
    ("niagara-fox", TCP, 1911, "'fox a 1 -1 fox hello'0a", "'fox a 0 -1 fox hello'0a"),
    (
        "bittorrent-dht",
        UDP,
        6881,
        "'d1:ad2:id20:abcdefghij0123456789e1:q4:ping1:t2:aa1:y1:qe'",
        "'d1:rd2:id20:mnopqrstuvwxyz123456e1:t2:aa1:y1:re'",
    ),
    ("bittorrent-tracker", UDP, 6969, "00000417 27101980 00000000 12345678", None),
    ("utp", UDP, 6881, "4100 1234 00000001 00000000 00100000 0001 0000", None),
    ("gnutella", TCP, 6346, "'GNUTELLA CONNECT/0.6'0d0a", "'GNUTELLA OK'0a0a"),
    ("gnutella", TCP, 6346, "'GET /get/12/a.mp3 HTTP/1.1'0d0a", None),
    ("gnutella", UDP, 6346, "5a*16 00 01 00 00000000", "5a*16 01 01 00 0e000000 00*14"),
    ("edonkey", TCP, 4662, "e3 12000000 01 5a*17", "e3 12000000 4c 5a*17"),
    ("direct-connect", TCP, 411, "'$ValidateNick me|'", "'$Lock EXTENDEDPROTOCOL Pk=x|'"),
    (
        "stratum",
        TCP,
        3333,
        '\'{"id":1,"method":"mining.subscribe"}\'0a',
        '\'{"id":null,"method":"mining.notify"}\'0a',
    ),
    ("quake3", UDP, 27960, "ff*4'getstatus'0a", "ff*4'statusResponse'0a"),
    ("source-engine", UDP, 27015, "ff*4'TSource Engine Query'00", "ff*4 49 11'My server'00"),
    (
        "raknet",
        UDP,
        19132,
        "01 00*8 00ffff00fefefefefdfdfdfd12345678 00*8",
        "1c 00*8 00*8 00ffff00fefefefefdfdfdfd12345678 0000",
    ),
    ("minecraft", TCP, 25565, "10 00 ff05 09'localhost'63dd 01", None),
    ("lantronix", UDP, 30718, "000000f6", "000000f7"),
    ("pcanywhere", UDP, 5632, "'NQ'", "'NRHOST'"),
]
#: Protocols whose messages show no side.
EITHER: list[tuple[str, int, int, str]] = [
    ("ssh", TCP, 22, "'SSH-2.0-OpenSSH_9.6'0d0a"),
    ("vnc", TCP, 5900, "'RFB 003.008'0a"),
    ("tls", TCP, 443, "17030300 1c 5a*28"),
    ("mdns", UDP, 5353, "0000 0000 0001 0000 0000 0000 05'_http'04'_tcp'05'local'00 000c 0001"),
    ("ssdp", UDP, 1900, "'NOTIFY * HTTP/1.1'0d0a"),
    ("bgp", TCP, 179, "ff*16 001d 01 04 fde8 00b4"),
    ("ldp", TCP, 646, "0001 000a 0a000001 0000 0200 0014"),
    ("dtls", UDP, 443, "17 0100 0001 000000000010 0010 00*16"),
    ("mndp", UDP, 5678, "0000 0001 0001 0006 02000000000a 0005 0004'edge'"),
    ("capwap", UDP, 5246, "01000000 16fefd 0000 000000000000"),
    ("capwap", UDP, 5246, "00200210 00000000 00000001 0000 66"),
    ("capwap", UDP, 5247, "00200320 00000000 0104 0000"),
    ("bfd", UDP, 3784, "20 c0 03 18 00*20"),
    ("hsrp", UDP, 1985, "00 00 10 03 0a 78 01 00 00*12"),
    ("ptp", UDP, 319, "00 02 002c 00 00 00*38"),
    ("rtcp", UDP, 5005, "80c80006 12345678 00*20"),
    ("bittorrent", TCP, 6881, "13'BitTorrent protocol'00*8"),
    ("bitcoin", TCP, 8333, "f9beb4d9'version'00"),
    ("monero", TCP, 18080, "0121010101010101"),
    ("ipfs", TCP, 4001, "13'/multistream/1.0.0'0a"),
    ("tailscale", UDP, 41641, "'TS'f09f92ac 00*8"),
    ("steam-discovery", UDP, 27036, "ffffffff214c5fa0"),
    ("zmtp", TCP, 5555, "ff 0000000000000001 7f 03 00"),
    ("ceph", TCP, 6789, "'ceph v2'0a"),
    ("fix", TCP, 9878, "'8=FIX.4.4'01"),
    ("hl7", TCP, 2575, "0b'MSH|^~'"),
    ("spice", TCP, 5900, "'REDQ'02000000"),
    ("adb", TCP, 5555, "'CNXN'00000001"),
    ("jdwp", TCP, 5005, "'JDWP-Handshake'"),
    ("teamspeak", UDP, 9987, "'TS3INIT1'006500008800"),
    ("msnp", TCP, 1863, "'VER 1 MSNP15 CVR0'0d0a"),
    ("ymsg", TCP, 5050, "'YMSG'0010"),
    ("oscar", TCP, 5190, "2a 01 0001 0004 00000001"),
    ("quic", UDP, 443, "c3 00000001 08 0001020304050607 00 00 4496"),
    ("dnp3", TCP, 20000, "0564 05 c0 0100 0000 0421"),
]


def found(proto: int, port: int, data: bytes) -> Message | None:
    return TABLE.find(proto, (50_001, port), data)


@pytest.mark.parametrize(
    ("protocol", "proto", "port", "client", "server"),
    TALKS,
    ids=[f"{talk[0]}-{talk[1]}-{talk[2]}-{place}" for place, talk in enumerate(TALKS)],
)
def test_messages_of_both_sides(
    protocol: str, proto: int, port: int, client: str | None, server: str | None
) -> None:
    for text, sender in ((client, 1), (server, -1)):
        if text is not None:
            message = found(proto, port, bytes_of(text))
            assert message, f"{text} is nothing"
            assert (message.protocol.name, message.sender) == (protocol, sender), message.message


@pytest.mark.parametrize(("protocol", "proto", "port", "text"), EITHER, ids=[talk[0] for talk in EITHER])
def test_messages_that_show_no_side(protocol: str, proto: int, port: int, text: str) -> None:
    message = found(proto, port, bytes_of(text))
    assert message and message.protocol.name == protocol
    assert message.sender == 0 or message.certainty < Certainty.SURE


def test_every_protocol_has_a_message_here_or_is_listed_as_seen_in_captures_only() -> None:
    """Those of which nobody published the bytes; captures of real programs show them (below)."""
    told = {name for name, *_ in TALKS} | {name for name, *_ in EITHER}
    only_seen = {
        *("dropbox-lan-sync", "spotify-connect", "gelf", "ipsec-nat-t", "teamviewer", "radmin", "ibm-mq"),
        *("rtp", "ethereum-discovery", "syncthing", "whois"),
    }
    assert {protocol.name for protocol in TABLE.protocols} - told == only_seen


def fields(pattern: str) -> bytes | None:
    """Some bytes that fit a pattern; None where it states lengths, which need more than a look."""
    data = b""
    for token in re.findall(r"~?'[^']*'|\.\.~?'[^']*'|\S+", pattern):
        if "'" in token:
            data += (b"x" if token.startswith("..") else b"") + token.split("'")[1].encode()
        elif token == "$":
            pass
        elif token in ("<word>", "<digits>"):
            data += b"7"
        elif token.startswith("<"):
            return None
        else:
            one, _, count = token.partition("*")
            data += bytes([_byte(one)]) * int(count or 1)
    return data


def _byte(one: str) -> int:
    if one[0] == "{":
        return int(one[1:3], 16)
    if one[0] in "&!":
        return int(one[1:], 16) if one[0] == "&" else 0
    return int(one.replace("?", "5"), 16)


def messages() -> list[tuple[str, dict[str, object]]]:
    return [
        (entry["transport"], message | {"protocol": entry["name"]})
        for path in FILES
        for entry in read_toml(path)["protocol"]
        for message in entry["messages"]
    ]


def test_a_payload_that_fits_a_pattern_is_recognised() -> None:
    """As that protocol, or as one that is surer of it: no pattern is dead, no rule hides another unawares."""
    hidden: Counter[tuple[str, str]] = Counter()
    tried = 0
    for transport, message in messages():
        patterns = message["match"]
        if message.get("where"):
            continue
        for pattern in [patterns] if isinstance(patterns, str) else patterns:  # type: ignore[union-attr]
            data = fields(str(pattern))
            if data is None:
                continue
            tried += 1
            port = (message.get("ports") or [61_000])[0]  # type: ignore[index]
            seen = TABLE.find(TRANSPORTS[transport], (61_001, port), data)
            assert seen, f"{message['protocol']}: {pattern}"
            if seen.protocol.name != message["protocol"]:
                hidden[str(message["protocol"]), seen.protocol.name] += 1
    assert tried > 300
    # A request of Gnutella is one of HTTP, CLDAP is LDAP over UDP: whoever tells more comes first.
    assert sum(hidden.values()) < 25, hidden


def test_services_that_payload_names_are_those_of_the_rules() -> None:
    rules = Rules.load()
    known = {name for service in rules.services for name in (*service.names, *service.speaks)}
    unknown = {protocol.service for protocol in TABLE.protocols} - known
    # Nothing of these is at home at a port.
    assert unknown <= {
        *("thrift", "hadoop-ipc", "zmtp", "fix", "synchrophasor", "lmtp", "stomp", "spotify-connect"),
        *("monero", "stratum", "ipfs", "steam-streaming", "steam-game", "jdwp", "lantronix"),
        *("tls", "dtls", "websocket", "http2"),
    }


@pytest.mark.parametrize(
    ("broken", "reason"),
    [
        ({"transport": "icmp"}, "transport 'icmp' is none of tcp, udp"),
        ({"name": None}, "name is missing"),
        ({"colour": "red"}, "'colour' is no key"),
        ({"messages": [{"message": "m", "from": "god", "certainty": "sure", "match": "00"}]}, "from 'god'"),
        ({"messages": [{"message": "m", "from": "client", "certainty": "sure", "match": "0g"}]}, "0g"),
        ({"messages": [{"message": "m", "from": "client", "match": "00"}]}, "certainty is missing"),
    ],
)
def test_a_wrong_signature_is_named(broken: dict[str, object], reason: str) -> None:
    entry: dict[str, object] = {"name": "p", "transport": "tcp", "source": "here", "messages": []} | broken
    entry = {key: value for key, value in entry.items() if value is not None}
    with pytest.raises(RulesError, match=re.escape(reason)) as raised:
        table([(Path("web.toml"), {"protocol": [entry]})])
    assert "web.toml: protocol" in str(raised.value)


def test_random_payloads_are_nothing() -> None:
    """A small part of what tests/hostile/false_matches.py counts."""
    import random

    chance = random.Random(6)
    for number in range(60_000):
        data = chance.randbytes((4, 10, 12, 48, 64, 300, 1200)[number % 7])
        message = TABLE.find((TCP, UDP)[number % 2], (61_001, 61_002), data)
        assert message is None or message.certainty < Certainty.SURE or message.repeats > 1, (message, data)


def test_a_payload_cut_by_the_snap_length_still_counts_with_its_length() -> None:
    initiation = struct.pack("<I", 1) + bytes([0x5A]) * 60
    assert TABLE.compiled.find(UDP, (1, 2), initiation, 148) == TABLE.compiled.find(
        UDP, (1, 2), initiation + bytes([0x5A]) * 84
    )
    whole = TABLE.find(UDP, (1, 2), initiation + bytes([0x5A]) * 84)
    assert whole and whole.protocol.name == "wireguard"


#: What real programs said, by the captures' names: (folder, capture, protocol).
CAPTURED = [
    *(("arkime", f"{name}.pcap", protocol) for name, protocol in [
        ("80211http", "http"), ("IKEv1", "isakmp"), ("IKEv2", "isakmp"), ("bt-tcp", "bittorrent"),
        ("cassandra1", "thrift"), ("cloudshark-dtls1", "dtls"), ("dns-tcp", "dns"), ("ftp", "ftp"),
        ("imap-tag", "imap"), ("irc", "irc"), ("krb5-tcp", "kerberos"), ("ldap-simpleauth", "ldap"),
        ("modbus", "modbus"), ("mongo", "mongodb"), ("mysql-allow", "mysql"), ("oracle", "oracle-tns"),
        ("pop3-tag", "pop3"), ("postgres-good", "postgresql"), ("quicietf", "quic"), ("radius", "radius"),
        ("smb-smb1-ascii", "smb"), ("smtp-html", "http"), ("socks5-http-302-frag", "socks"), ("ssh2", "ssh"),
        ("tds7", "tds"), ("tftp_rrq", "tftp"), ("thrift", "thrift"), ("tls13", "tls"),
        ("websocket", "websocket"), ("wireshark-dhcp", "dhcp"), ("wireshark-dhcpv6", "dhcpv6"),
    ] if name != "smtp-html"),
    *(("ndpi", name, protocol) for name, protocol in [
        ("NTPv4.pcap", "ntp"), ("afp.pcap", "afp"), ("ajp.pcap", "ajp13"), ("bacnet.pcap", "bacnet"),
        ("bfd.pcap", "bfd"), ("coap_mqtt.pcap", "coap"), ("collectd.pcap", "collectd"), ("dnp3.pcap", "dnp3"),
        ("drda_db2.pcap", "db2"), ("edonkey.pcap", "edonkey"), ("ethernetIP.pcap", "ethernet-ip"),
        ("fastcgi.pcap", "fastcgi"), ("hl7.pcap", "hl7"), ("hsrp0.pcap", "hsrp"),
        ("iec60780-5-104.pcap", "iec-104"), ("jrmi.pcap", "java-rmi"), ("mqtt.pcap", "mqtt"),
        ("natpmp.pcap", "nat-pmp"), ("nfsv3.pcap", "nfs"), ("openflow.pcap", "openflow"),
        ("openvpn-tlscrypt.pcap", "openvpn"), ("pptp.pcap", "pptp"), ("quic-v2.pcapng", "quic"),
        ("quic-mvfst-27.pcapng", "quic"), ("quic_q46.pcap", "quic"), ("raknet.pcap", "raknet"),
        ("rdp.pcap", "rdp"), ("resp.pcap", "redis"), ("rsync.pcap", "rsync"), ("rtsp.pcap", "rtsp"),
        ("s7comm.pcap", "s7comm"), ("sflow.pcap", "sflow"), ("sip.pcap", "sip"), ("skinny.pcap", "skinny"),
        ("skinny.pcap", "rtp"), ("srvloc.pcap", "slp"), ("ssdp-m-search.pcap", "ssdp"),
        ("stomp.pcapng", "stomp"), ("syncthing.pcap", "syncthing"), ("tailscale.pcap", "tailscale"),
        ("teamspeak3.pcap", "teamspeak"), ("teamviewer.pcap", "teamviewer"), ("telnet.pcap", "telnet"),
        ("tor.pcap", "dropbox-lan-sync"), ("android.pcap", "spotify-connect"),
        ("tunnelbear.pcap", "wireguard"), ("upnp.pcap", "ws-discovery"), ("vnc.pcap", "vnc"),
    ]),
]  # fmt: skip


@pytest.mark.skipif(not SHARED.is_dir(), reason="CLASSIFIER_SHARED names no folder with captures/")
@pytest.mark.parametrize(("folder", "capture", "protocol"), CAPTURED, ids=lambda part: part)
def test_real_captures(folder: str, capture: str, protocol: str) -> None:
    flows = classifier.read(SHARED / folder / capture).to_arrow()
    assert protocol in set(flows["payload"].to_pylist())
