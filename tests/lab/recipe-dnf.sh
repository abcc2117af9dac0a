# shellcheck shell=bash disable=SC2034
# The recipe of the flavour `dnf`: a STAND-IN for a node of the Red Hat family. Read by lib/image.sh.
#
# What is real: Debian's dnf 4, rpm and versionlock plugin, their database, cache, locks and exit codes, and RPM packages.
# What is not: everything else. The node is Debian; only /etc/os-release says that it is like RHEL. apt and dpkg are still
# there, as no real node of that family has them. Nothing of a real RHEL, Rocky, Alma or Fedora runs here: no SELinux, no
# subscription-manager, no modules (`dnf module`), no dnf 5.
#
# The digest of this file and of recipe.sh is part of the image's name, so a change here makes only this image anew.

RECIPE_DNF_FLAVOUR="dnf"

# gpg and python3 sign and serve repositories for tests.
RECIPE_dnf="dnf dnf-plugins-core rpm createrepo-c gpg gpg-agent python3"

# recipe_customize_dnf: runs inside the new root, as root, under sh -eu, without a network.
recipe_customize_dnf() {
    cat <<'CUSTOMIZE'
rm -f /etc/os-release
cat >/etc/os-release <<'EOT'
PRETTY_NAME="Stand-in for RHEL 9 on Debian (hardstand lab)"
NAME="hardstand lab"
ID=hardstand-lab
ID_LIKE="rhel centos fedora"
VERSION_ID=9.9
EOT

# Debian keeps rpm's database away from its own in the home of root, where no system has it.
mkdir -p /etc/rpm /var/lib/rpm /srv/rpms /etc/yum.repos.d /etc/pki/rpm-gpg
echo '%_dbpath /var/lib/rpm' >/etc/rpm/macros
rpm --initdb

# lab-hello in two versions, as in the repository for apt, and lab-needs, which requires it.
build() {
    cat >/tmp/package.spec <<EOT
Name: $1
Version: $2
Release: 1
Summary: prints its version
License: MIT
BuildArch: noarch
AutoReqProv: no
$3
%description
A package for tests.
%install
mkdir -p %{buildroot}/usr/bin
printf '#!/bin/sh\necho $2\n' >%{buildroot}/usr/bin/$1
chmod 755 %{buildroot}/usr/bin/$1
%files
/usr/bin/$1
EOT
    rpmbuild -bb --quiet --define '_topdir /tmp/rpmbuild' --define '_rpmdir /srv/rpms' \
        --define '_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm' /tmp/package.spec
}
build lab-hello 1.0 ''
build lab-hello 2.0 ''
build lab-needs 1.0 'Requires: lab-hello'
rm -rf /tmp/rpmbuild /tmp/package.spec
createrepo_c -q /srv/rpms
cat >/etc/yum.repos.d/lab.repo <<'EOT'
[lab]
name=lab
baseurl=file:///srv/rpms
gpgcheck=0
EOT
# A plugin of Debian's that real nodes do not enable.
sed -i 's/^enabled.*/enabled = no/' /etc/dnf/plugins/local.conf
rm -rf /var/cache/dnf/* /var/log/dnf* /var/log/hawkey.log
dnf -q makecache
systemctl -q mask dnf-makecache.timer
CUSTOMIZE
}
