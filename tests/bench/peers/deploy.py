"""The work of spec.yaml for pyinfra."""

from io import StringIO

from pyinfra import host
from pyinfra.operations import apt, files, server, systemd

ROUND = host.data.round

SYSCTLS = {
    "net.ipv4.ip_forward": 1,
    "net.ipv4.tcp_syncookies": 1,
    "net.ipv4.conf.all.rp_filter": 2,
    "net.ipv4.conf.default.rp_filter": 2,
    "net.ipv4.conf.all.accept_redirects": 0,
    "net.ipv4.conf.default.accept_redirects": 0,
    "net.ipv4.conf.all.send_redirects": 0,
    "net.ipv4.conf.default.send_redirects": 0,
    "net.ipv4.icmp_echo_ignore_broadcasts": 1,
    "net.ipv4.tcp_keepalive_intvl": 30,
    "net.ipv4.tcp_keepalive_probes": 5,
    "net.ipv6.conf.all.accept_redirects": 0,
    "net.ipv4.tcp_fin_timeout": int(f"2{ROUND}"),
    "net.ipv4.tcp_keepalive_time": int(f"60{ROUND}"),
    "net.core.somaxconn": int(f"409{ROUND}"),
    "net.ipv4.tcp_max_syn_backlog": int(f"204{ROUND}"),
    "net.ipv4.ip_default_ttl": int(f"6{ROUND}"),
    "net.ipv4.tcp_retries2": int(f"1{ROUND}"),
}

for key, value in SYSCTLS.items():
    server.sysctl(key=key, value=value, persist=True, persist_file="/etc/sysctl.d/98-peers.conf")
apt.packages(packages=['curl', 'dbus', 'iptables', 'kmod', 'openssh-server', 'procps'])
for service in ['dbus.service', 'ssh.service', 'systemd-networkd.service']:
    systemd.service(service=service, running=True)
files.directory(path="/etc/peers.d", mode="755")
for n in range(1, 13):
    text = f"file {n} of round {ROUND}\n" if n <= 6 else f"file {n}\n"
    files.put(src=StringIO(text), dest=f"/etc/peers.d/{n}.conf", mode="644")
