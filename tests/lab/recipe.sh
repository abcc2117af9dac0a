# shellcheck shell=bash disable=SC2034
# The recipe of a node image: what is in it. Read by lib/image.sh.
#
# The digest of this file is part of every image's name in the cache, so a change here, and only here, means new images.
# lib/image.sh knows how to build, this file knows what.

# Suites that a node can run, and the flavours of each.
RECIPE_SUITES="bookworm trixie sid"
RECIPE_FLAVOURS="containerd docker"

# In every node. libpam-systemd makes logins real sessions, as they are on a server.
RECIPE_BASE="systemd,systemd-sysv,udev,dbus,libpam-systemd,openssh-server,kmod,procps,iproute2,sudo,curl,iptables,\
ca-certificates"

# Packages of each flavour on top of the base; one with a question mark is taken where the suite has it.
RECIPE_containerd="containerd runc"
RECIPE_docker="docker.io docker-cli? containerd runc"

# Installable inside a node without a network, from /srv/debs, with all flavours' packages.
RECIPE_OFFLINE="chrony socat conntrack ethtool ipset $RECIPE_containerd $RECIPE_docker"

# recipe_customize: runs inside the new root, as root, under sh -eu, without a network.
recipe_customize() {
    cat <<'CUSTOMIZE'
# Nothing in here may touch the network again: the only source is the repository of files in the image.
rm -f /etc/apt/sources.list /etc/apt/sources.list.d/* /etc/apt/apt.conf.d/99mmdebstrap
echo 'deb [trusted=yes] file:/srv/debs ./' >/etc/apt/sources.list.d/lab.list
cat >/etc/apt/apt.conf.d/90lab <<'EOT'
Acquire::Languages "none";
APT::Install-Recommends "false";
DPkg::Options { "--force-unsafe-io"; };
EOT

# lab-hello: a package in two versions, to test pins, holds, upgrades and downgrades with.
for version in 1.0 2.0; do
    mkdir -p /tmp/hello/DEBIAN /tmp/hello/usr/bin
    printf 'Package: lab-hello\nVersion: %s\nArchitecture: all\nMaintainer: hardstand lab <lab@localhost>\nDescription: prints its version\n' \
        "$version" >/tmp/hello/DEBIAN/control
    printf '#!/bin/sh\necho %s\n' "$version" >/tmp/hello/usr/bin/lab-hello
    chmod 755 /tmp/hello/usr/bin/lab-hello
    dpkg-deb --root-owner-group -b /tmp/hello "/srv/debs/lab-hello_${version}_all.deb" >/dev/null
    rm -rf /tmp/hello
done

cd /srv/debs
for deb in *.deb; do
    dpkg-deb -f "$deb"
    printf 'Filename: ./%s\nSize: %s\nSHA256: %s\n\n' "$deb" "$(stat -c %s "$deb")" "$(sha256sum "$deb" | cut -d' ' -f1)"
done >Packages
cd /
rm -rf /var/lib/apt/lists/*
apt-get -q update

# People. Keys are put in place for each run, in /etc/ssh/lab_keys.
for user in ops nosudo noisy; do useradd -m -s /bin/bash -p '*' "$user"; done
useradd -m -s /usr/sbin/nologin -p '*' fishy
printf '%s ALL=(ALL) NOPASSWD: ALL\n' ops noisy >/etc/sudoers.d/lab
chmod 440 /etc/sudoers.d/lab
echo 'echo "welcome to this node, brought to you by a .bashrc"' >/home/noisy/.bashrc
chown noisy:noisy /home/noisy/.bashrc

rm -f /etc/ssh/ssh_host_*
cat >/etc/ssh/sshd_config.d/lab.conf <<'EOT'
AuthorizedKeysFile /etc/ssh/lab_keys .ssh/authorized_keys
PermitRootLogin prohibit-password
PasswordAuthentication no
HostKey /etc/ssh/ssh_host_ed25519_key
MaxStartups 200
MaxSessions 100
EOT

# Timers that take dpkg's lock or burn the processor have no place in a test.
systemctl -q mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer fstrim.timer e2scrub_all.timer \
    console-getty.service getty@.service
systemctl -q enable systemd-networkd.service ssh.service
systemctl -q set-default multi-user.target
rm -f /etc/hostname /etc/machine-id /var/lib/dbus/machine-id /etc/resolv.conf
: >/etc/machine-id
CUSTOMIZE
}
