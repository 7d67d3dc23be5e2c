# Sourced by what makes a root of Debian's packages for tests: a newer Debian than this machine's may be.
suite=trixie

install_bootstrap() {
    command -v mmdebstrap >/dev/null && command -v ip >/dev/null && return
    export DEBIAN_FRONTEND=noninteractive
    apt-get update -qq
    apt-get install -y -qq --no-install-recommends mmdebstrap iproute2 >&2
}

# What the slim images of Debian, and those of Python that begin with them, leave out of every package.
slim=(--dpkgopt=path-exclude=/usr/share/{doc,groff,info,lintian,linda,locale,man}/'*'
    --dpkgopt=path-include=/usr/share/doc/'*'/copyright)

# Debian's packages, and those that they need, as a folder or a tar archive: bootstrap PACKAGES TARGET [OPTION ...]
bootstrap() {
    local mirror # where this machine's own packages come from
    mirror=$(apt-get indextargets --format '$(REPO_URI)' | grep -m 1 '/debian/\?$')
    mmdebstrap --quiet --mode=root --variant=minbase --skip=cleanup/reproducible --include="$1" "${@:3}" "$suite" "$2" \
        "deb $mirror $suite main" >&2
}
