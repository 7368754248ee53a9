# SPDX-License-Identifier: BSD-3-Clause
# Guests of families with rpm: real databases, of the files that are there.

# rpm_spec NAME VERSION RELEASE FILE...: a package with these files
rpm_spec ()
{
    local d=$root/root/rpm n=$1 v=$2 r=$3 f; shift 3
    mkdir -p "$d"
    {
        printf '%s\n' "Name: $n" "Version: $v" "Release: $r" "Summary: $n" \
            "License: none" "AutoReqProv: no" "%global debug_package %{nil}" \
            "%description" "$n" "%install"
        for f in "$@"; do
            echo "mkdir -p '%{buildroot}${f%/*}'; cp -a '$f' '%{buildroot}$f'"
        done
        echo "%files"
        printf '%s\n' "$@"
    } >"$d/$n.spec"
}

# rpm_database: packages of all specs in rpm's database.  rpmbuild in the guest
# packs copies of their files; then only the database is written.
rpm_database ()
{
    in_root "$root" bash -ec '
        for s in /root/rpm/*.spec; do
            rpmbuild --quiet -bb --define "_topdir /root/rpm" \
                --define "_rpmdir /root/rpm" --define "_dbpath /var/lib/rpm" \
                --define "__spec_install_post %{nil}" \
                --define "_binary_payload w1.gzdio" "$s"
        done
        rpm --dbpath /var/lib/rpm --initdb
        rpm --dbpath /var/lib/rpm -i --justdb --nodeps --noscripts \
            /root/rpm/x86_64/*.rpm
        rpm --dbpath /var/lib/rpm -qa'
    rm -rf "$root/root/rpm"
}
