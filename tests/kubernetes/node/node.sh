#!/bin/bash
# Be a cluster: the control plane and its one node, within another root (enter.sh) and a network of its own.
#
#   node.sh WORK PROGRAMS
#
# PROGRAMS is the folder of Kubernetes' programs; in WORK are the images, images.tar, and it gets the logs and `config`, a
# kubeconfig. Ends with the first program that ends, and so does everything else in its process namespace.
set -eu
work=$1 PATH=$2:$PATH
here=$(dirname "$0")
address=192.0.2.10 # kubelet.yaml
group=/web-service-simulator-cluster # kubelet.yaml, cluster.py
settings=/etc/kubernetes

run() {
    local name=$1
    shift
    { "$@" >"$work/logs/$name.log" 2>&1 || true; echo "$name ended"; } &
}

until_done() {
    until "$@" >/dev/null 2>&1; do sleep 0.2; done
}

# In a control group of the cluster, with a share of the processor that a busy machine's other work does not crowd out.
for controller in /sys/fs/cgroup/*/; do
    [ -e "$controller/cgroup.clone_children" ] || continue
    mkdir -p "$controller$group"
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "$controller/$file" ] || cat "$controller/$file" >"$controller$group/$file"
    done
done
echo 8192 >"/sys/fs/cgroup/cpu$group/cpu.shares"
mkdir -p "/sys/fs/cgroup/cpu$group/node"
echo $$ >"/sys/fs/cgroup/cpu$group/node/cgroup.procs"

# What the kubelet would set for the whole machine: here it finds it set, and nothing changes.
pin() {
    local file
    file=/run/pinned.${1//\//.}
    echo "$2" >"$file"
    mount --bind "$file" "/proc/sys/$1"
}
pin vm/overcommit_memory 1
pin vm/panic_on_oom 0
pin kernel/panic 10
pin kernel/panic_on_oops 1
pin kernel/keys/root_maxkeys 1000000
pin kernel/keys/root_maxbytes 25000000

# A default route to nowhere: what is sent to a Service's address needs one to leave by before it is translated.
ip link add node0 type bridge
ip address add "$address/24" dev node0
ip link set node0 up
ip route add default dev node0
echo 1 >/proc/sys/net/ipv4/ip_forward
echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables

# Layers of images can't lie on the layer that this root is.
for folder in containerd kubelet etcd; do
    mkdir -p "$work/$folder" "/var/lib/$folder"
    mount --bind "$work/$folder" "/var/lib/$folder"
done
mkdir -p "$work/logs" "$settings" /etc/cni/net.d /etc/containerd
cp "$here/containerd.toml" /etc/containerd/config.toml
cp "$here/bridge.conflist" /etc/cni/net.d/

# kubeconfig NAME GROUP FILE: who it is goes by a token
kubeconfig() {
    local token
    token=$(openssl rand -hex 16)
    echo "$token,$1,$1,$2" >>"$settings/tokens.csv"
    cat >"$3" <<END
apiVersion: v1
kind: Config
clusters: [{name: cluster, cluster: {server: "https://$address:6443", insecure-skip-tls-verify: true}}]
users: [{name: user, user: {token: $token}}]
contexts: [{name: context, context: {cluster: cluster, user: user}}]
current-context: context
END
}
umask 077
kubeconfig admin system:masters "$work/config"
kubeconfig system:node:node system:nodes "$settings/kubelet"
export KUBECONFIG=$work/config KUBECACHEDIR=$work/cache
openssl genrsa -out "$settings/accounts.key" 2048 2>/dev/null
umask 022

run containerd containerd
run etcd etcd --data-dir /var/lib/etcd --unsafe-no-fsync
run kube-apiserver kube-apiserver --etcd-servers http://127.0.0.1:2379 --advertise-address "$address" \
    --cert-dir "$settings/serving" --token-auth-file "$settings/tokens.csv" --authorization-mode Node,RBAC \
    --enable-admission-plugins NodeRestriction --service-cluster-ip-range 10.96.0.0/16 \
    --service-account-issuer https://kubernetes.default.svc.cluster.local \
    --service-account-key-file "$settings/accounts.key" --service-account-signing-key-file "$settings/accounts.key" \
    --kubelet-preferred-address-types InternalIP
until_done ctr version
ctr --namespace k8s.io images import "$work/images.tar" >"$work/logs/images.log" 2>&1
until_done kubectl get --raw /readyz
run kube-controller-manager kube-controller-manager --kubeconfig "$KUBECONFIG" --leader-elect=false \
    --service-account-private-key-file "$settings/accounts.key" --root-ca-file "$settings/serving/apiserver.crt"
run kube-scheduler kube-scheduler --kubeconfig "$KUBECONFIG" --leader-elect=false
# The machine's table of connections keeps its size.
run kube-proxy kube-proxy --kubeconfig "$KUBECONFIG" --hostname-override node --proxy-mode iptables \
    --cluster-cidr 10.244.0.0/16 --conntrack-max-per-core 0 --conntrack-min 0 --oom-score-adj 0
run coredns coredns -conf "$here/Corefile"
run kubelet kubelet --config "$here/kubelet.yaml" --kubeconfig "$settings/kubelet" --hostname-override node \
    --node-ip "$address"
until_done kubectl get node node
run kube-router kube-router --kubeconfig "$KUBECONFIG" --hostname-override node --run-firewall=true \
    --run-router=false --run-service-proxy=false --service-cluster-ip-range 10.96.0.0/16
wait -n
