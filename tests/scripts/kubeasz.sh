#!/bin/sh
# Sets up kube-controller-manager as kubeasz does (roles deploy and kube-master), with the commands
# that its tasks run.
# Paths, kubeconfig names, flags and their order differ from the tutorial. All files belong to root.
# The kubeconfig embeds the identity; the masters have no separate files with its certificate and
# key.
# scp, sudo and this shell copy and template files in place of Ansible.
#
#   kubeasz.sh SSH_CONFIG SERVER KUBECONFIG_MODE ADDRESS…
#
# Runs in the working folder of the deploy node, with the CA in pki/ca/cert.
set -eu
config=$1
server=$2
mode=$3
shift 3

bin_dir=/opt/kube/bin
ca_dir=/etc/kubernetes/ssl
cluster_dir=$(pwd)/cluster
ca=$(pwd)/pki/ca/cert
kubeconfig=$cluster_dir/kube-controller-manager.kubeconfig
mkdir -p "$cluster_dir/ssl"

cat >"$cluster_dir/ssl/ca-config.json" <<'JSON'
{"signing": {"default": {"expiry": "438000h"}, "profiles": {"kubernetes": {
  "usages": ["signing", "key encipherment", "server auth", "client auth"], "expiry": "438000h"}}}}
JSON
cat >"$cluster_dir/ssl/kube-controller-manager-csr.json" <<'JSON'
{"CN": "system:kube-controller-manager", "hosts": [], "key": {"algo": "rsa", "size": 2048},
 "names": [{"C": "CN", "ST": "HangZhou", "L": "XS", "O": "system:kube-controller-manager", "OU": "System"}]}
JSON
(cd "$cluster_dir/ssl" && cfssl gencert -ca="$ca/ca.pem" -ca-key="$ca/ca-key.pem" -config=ca-config.json \
  -profile=kubernetes kube-controller-manager-csr.json 2>/dev/null | cfssljson -bare kube-controller-manager)
kubectl config set-cluster kubernetes --certificate-authority="$ca/ca.pem" --embed-certs=true --server="$server" \
  --kubeconfig="$kubeconfig" >/dev/null
kubectl config set-credentials system:kube-controller-manager \
  --client-certificate="$cluster_dir/ssl/kube-controller-manager.pem" \
  --client-key="$cluster_dir/ssl/kube-controller-manager-key.pem" --embed-certs=true --kubeconfig="$kubeconfig" >/dev/null
kubectl config set-context default --cluster=kubernetes --user=system:kube-controller-manager \
  --kubeconfig="$kubeconfig" >/dev/null
kubectl config use-context default --kubeconfig="$kubeconfig" >/dev/null

for host; do
  cat >"$cluster_dir/kube-controller-manager.service" <<UNIT
[Unit]
Description=Kubernetes Controller Manager
Documentation=https://github.com/GoogleCloudPlatform/kubernetes

[Service]
ExecStart=$bin_dir/kube-controller-manager \\
  --bind-address=$host \\
  --allocate-node-cidrs=true \\
  --cluster-cidr=172.20.0.0/16 \\
  --cluster-name=kubernetes \\
  --cluster-signing-cert-file=$ca_dir/ca.pem \\
  --cluster-signing-key-file=$ca_dir/ca-key.pem \\
  --kubeconfig=/etc/kubernetes/kube-controller-manager.kubeconfig \\
  --leader-elect=true \\
  --node-cidr-mask-size=24 \\
  --root-ca-file=$ca_dir/ca.pem \\
  --service-account-private-key-file=$ca_dir/ca-key.pem \\
  --service-cluster-ip-range=10.68.0.0/16 \\
  --use-service-account-credentials=true \\
  --authentication-kubeconfig=/etc/kubernetes/kube-controller-manager.kubeconfig \\
  --authorization-kubeconfig=/etc/kubernetes/kube-controller-manager.kubeconfig \\
  --v=2
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
  scp -q -F "$config" "$ca/ca.pem" "$ca/ca-key.pem" "$kubeconfig" "$cluster_dir/kube-controller-manager.service" \
    "kube@$host:/tmp/"
  ssh -F "$config" "kube@$host" "cd /tmp &&
    sudo install -d $ca_dir && sudo install -m 0644 ca.pem $ca_dir/ && sudo install -m 0600 ca-key.pem $ca_dir/ &&
    sudo install -m $mode kube-controller-manager.kubeconfig /etc/kubernetes/ &&
    sudo install -m 0644 kube-controller-manager.service /etc/systemd/system/ &&
    rm ca.pem ca-key.pem kube-controller-manager.kubeconfig kube-controller-manager.service &&
    sudo systemctl enable kube-controller-manager 2>/dev/null &&
    sudo systemctl daemon-reload && sudo systemctl restart kube-controller-manager"
done
