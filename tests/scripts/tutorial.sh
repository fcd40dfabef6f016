#!/bin/sh
# Sets up kube-controller-manager with the commands of the tutorial, sections 2.1 to 2.5 and 4.
#
#   tutorial.sh SSH_CONFIG SERVER ADDRESS…
#
# Runs in /opt/kubernetes of the operation machine, with the CA from the earlier chapters. On the
# masters, user kube owns /opt/kubernetes, and the program is installed.
set -eu
config=$1
server=$2
shift 2

operation=$(pwd)
identity=pki/kube-controller-manager
kubeconfig=kubeconfig/kube-controller-manager.kubeconfig
kubectl_config() { kubectl config "$@" --kubeconfig="$operation/$kubeconfig" >/dev/null; }

mkdir -p "$identity/cert" kubeconfig
cat >pki/ca/ca-config.json <<'JSON'
{
  "signing": {
    "default": {"expiry": "87600h"},
    "profiles": {
      "kubernetes": {
        "usages": ["signing", "key encipherment", "server auth", "client auth"],
        "expiry": "87600h"
      }
    }
  }
}
JSON
cat >"$identity/kube-controller-manager-csr.json" <<'JSON'
{
  "CN": "system:kube-controller-manager",
  "hosts": [],
  "key": {
    "algo": "rsa",
    "size": 2048
  },
  "names": [
    {
      "C": "CN",
      "ST": "Shanghai",
      "L": "Shanghai",
      "O": "system:kube-controller-manager",
      "OU": "System"
    }
  ]
}
JSON
cfssl gencert \
  -ca="$operation/pki/ca/cert/ca.pem" \
  -ca-key="$operation/pki/ca/cert/ca-key.pem" \
  -config="$operation/pki/ca/ca-config.json" \
  -profile=kubernetes "$identity/kube-controller-manager-csr.json" 2>/dev/null |
  cfssljson -bare "$operation/$identity/cert/kube-controller-manager"

kubectl_config set-cluster kubernetes --certificate-authority="$operation/pki/ca/cert/ca.pem" --embed-certs=true \
  --server="$server"
kubectl_config set-credentials kube-controller-manager \
  --client-certificate="$operation/$identity/cert/kube-controller-manager.pem" --embed-certs=true \
  --client-key="$operation/$identity/cert/kube-controller-manager-key.pem"
kubectl_config set-context default --cluster=kubernetes --user=kube-controller-manager
kubectl_config use-context default

for address; do
  # State that the earlier chapters leave on a master.
  ssh -F "$config" "kube@$address" "mkdir -p /opt/kubernetes/pki/ca/cert /opt/kubernetes/kubeconfig"
  scp -q -F "$config" pki/ca/cert/ca.pem pki/ca/cert/ca-key.pem "kube@$address:/opt/kubernetes/pki/ca/cert/"

  ssh -F "$config" "kube@$address" "mkdir -p /opt/kubernetes/pki/kube-controller-manager/cert/"
  scp -q -F "$config" "$identity"/cert/kube-controller-manager*.pem \
    "kube@$address:/opt/kubernetes/pki/kube-controller-manager/cert/"
  scp -q -F "$config" "$kubeconfig" "kube@$address:/opt/kubernetes/$kubeconfig"

  # The tutorial writes this file with vim.
  ssh -F "$config" "kube@$address" "sudo tee /etc/systemd/system/kube-controller-manager.service >/dev/null" <<UNIT
[Unit]
Description=Kubernetes Controller Manager
Documentation=https://github.com/GoogleCloudPlatform/kubernetes

[Service]
ExecStart=/opt/kubernetes/bin/kube-controller-manager \\
  --allocate-node-cidrs=true \\
  --authentication-kubeconfig=/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig \\
  --authorization-kubeconfig=/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig \\
  --bind-address=$address \\
  --cluster-cidr=172.20.0.0/16 \\
  --cluster-name=kubernetes \\
  --cluster-signing-cert-file=/opt/kubernetes/pki/ca/cert/ca.pem \\
  --cluster-signing-key-file=/opt/kubernetes/pki/ca/cert/ca-key.pem \\
  --kubeconfig=/opt/kubernetes/kubeconfig/kube-controller-manager.kubeconfig \\
  --leader-elect=true \\
  --node-cidr-mask-size=24 \\
  --root-ca-file=/opt/kubernetes/pki/ca/cert/ca.pem \\
  --service-account-private-key-file=/opt/kubernetes/pki/ca/cert/ca-key.pem \\
  --service-cluster-ip-range=10.68.0.0/16 \\
  --use-service-account-credentials=true \\
  --v=2
Restart=always
RestartSec=5

[Install]
WantedBy=multi-user.target
UNIT
  ssh -F "$config" "kube@$address" "sudo systemctl enable kube-controller-manager.service 2>/dev/null &&
    sudo systemctl daemon-reload && sudo systemctl restart kube-controller-manager.service"
done
