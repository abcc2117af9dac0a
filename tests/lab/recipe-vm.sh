# shellcheck shell=bash disable=SC2034
# The recipe of a virtual machine's image: a node as in recipe.sh, with a kernel of its own. Read by tests/lab/vm.
#
# The digest of this file and of recipe.sh is part of every image's name in the cache.

RECIPE_SUITES="bookworm trixie"
RECIPE_FLAVOURS=""
RECIPE_BASE+=",linux-image-cloud-amd64,initramfs-tools,containerd,runc"
RECIPE_OFFLINE="socat conntrack ethtool"

# Of the file system; what is not written takes no room.
RECIPE_DISK_SIZE=4G

# recipe_customize_vm: runs inside the new root after recipe_customize, in the same way.
recipe_customize_vm() {
    cat <<'CUSTOMIZE'
rm -f /etc/resolv.conf

# Only what finds the disk: each megabyte less to unpack is time won on an emulated processor.
echo 'MODULES=list' >/etc/initramfs-tools/conf.d/lab
printf '%s\n' virtio_pci virtio_blk ext4 crc32c_generic crc32c_intel >>/etc/initramfs-tools/modules
update-initramfs -u -k all

cat >/etc/systemd/network/10-lab.network <<'EOT'
[Match]
Driver=virtio_net

[Network]
Address=10.0.2.15/24
Gateway=10.0.2.2
LinkLocalAddressing=no
IPv6AcceptRA=no
EOT

# What makes this machine itself, its host key and who may log in, comes on a second disk that holds a tar archive.
cat >/etc/systemd/system/lab-identity.service <<'EOT'
[Unit]
Description=This machine's identity
DefaultDependencies=no
ConditionPathExists=!/etc/ssh/ssh_host_ed25519_key
Wants=dev-disk-by\x2did-virtio\x2didentity.device
After=dev-disk-by\x2did-virtio\x2didentity.device systemd-remount-fs.service
Before=sysinit.target shutdown.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=tar -xf /dev/disk/by-id/virtio-identity -C / --no-same-owner

[Install]
WantedBy=sysinit.target
EOT
systemctl -q enable lab-identity.service
systemctl -q mask serial-getty@.service
CUSTOMIZE
}
