//! Tests of an invalid `kcm.yaml`: its syntax, its keys, its values, and their combinations.

use super::{Case, USAGE, check};
use kcm_tests::Workspace;

/// An edit of a valid cluster file: its name, the old text, the new text, and the message.
type Edit = (&'static str, &'static str, &'static str, &'static str);

#[rustfmt::skip] // One case reads as four lines: name, old text, new text, message.
const FORM: &[Edit] = &[
    ("a tab", "  server:", "\tserver:", "kcm.yaml:3:1: found character that cannot start any token, while scanning for the next token | help: indent with spaces, not tabs, and quote a value that starts with @, % or a backquote"),
    ("a line too far to the right", "  clusterCidr:", "   clusterCidr:", "kcm.yaml:4:15: mapping values are not allowed in this context | help: indent the line like the line above, or quote a value that contains a colon"),
    ("a line too far to the left", "  clusterCidr:", "clusterCidr:", "kcm.yaml:5:24: mapping values are not allowed in this context | help: indent the line like the line above, or quote a value that contains a colon"),
    ("an open brace", "address: 192.168.1.204}", "address: 192.168.1.204", "kcm.yaml:12:5: did not find expected ',' or '}', while parsing a flow mapping at line 11 column 5 | help: close the bracket or the quote, or add a comma"),
    ("an open quote", "https://192.168.1.210:6443", "\"https://192.168.1.210:6443", "kcm.yaml:14:1: found unexpected end of stream, while scanning a quoted scalar at line 3 column 11 | help: close the quote"),
    ("a missing colon", "cluster:\n", "cluster\n", "kcm.yaml:3:9: could not find expected ':', while scanning a simple key at line 2 column 1 | help: add a colon, or quote the text"),
    ("a missing blank", "  server: ", "  server:", "kcm.yaml:4:14: mapping values are not allowed in this context | help: indent the line like the line above, or quote a value that contains a colon"),
    ("two documents", "apiVersion: kcm/v1\n", "apiVersion: kcm/v1\n---\n", "kcm.yaml: the file contains more than one YAML document | help: keep one document, without `---` after it"),
    ("an alias without its anchor", "https://192.168.1.210:6443", "*server", "kcm.yaml:3:11: unknown anchor | help: quote a value that starts with `*`"),
    ("a merge key", "cluster:\n", "cluster:\n  <<: {}\n", "kcm.yaml:3:3: cluster.<<: unknown key | help: use one of: server, name, clusterCidr, serviceClusterIpRange, nodeCidrMaskSize, nodeCidrMaskSizeIpv4, nodeCidrMaskSizeIpv6"),
    ("a control character", "https://192.168.1.210:6443", "\"https://192.168.1.210:6443\u{1}\"", "kcm.yaml:3:38: the control character U+0001 is not allowed | help: remove it"),
    ("a key twice", "masters:\n", "  keyAlgorithm: rsa-2048\nmasters:\n", "kcm.yaml:9:17: pki.keyAlgorithm: duplicate key, first set at this position | help: keep one of them"),
    ("a section twice", "masters:\n", "cluster: {}\nmasters:\n", "kcm.yaml:3:3: cluster: duplicate key, first set at this position | help: keep one of them"),
];

#[rustfmt::skip]
const KEYS: &[Edit] = &[
    ("a key mistyped", "server:", "servr:", "kcm.yaml:3:3: cluster.servr: unknown key | help: did you mean `server`?"),
    ("a key in another case", "clusterCidr:", "clusterCIDR:", "kcm.yaml:4:3: cluster.clusterCIDR: unknown key | help: did you mean `clusterCidr`?"),
    ("a key with dashes", "serviceClusterIpRange:", "service-cluster-ip-range:", "kcm.yaml:5:3: cluster.service-cluster-ip-range: unknown key | help: did you mean `serviceClusterIpRange`?"),
    ("a section mistyped", "masters:\n", "master:\n", "kcm.yaml:10:1: master: unknown key | help: did you mean `masters`?"),
    ("a section nobody knows", "masters:\n", "colour: red\nmasters:\n", "kcm.yaml:10:1: colour: unknown key | help: use one of: apiVersion, cluster, pki, controllerManager, kubeconfig, systemd, install, api, masters, ssh, kubernetesVersion, lint"),
    ("a master's key mistyped", "{name: k8s-master-02, address:", "{name: k8s-master-02, adress:", "kcm.yaml:12:27: masters[1].adress: unknown key | help: did you mean `address`?"),
    ("a key that is no text", "masters:\n", "1: 2\nmasters:\n", "kcm.yaml:10:1: 1: unknown key | help: use one of: apiVersion, cluster, pki, controllerManager, kubeconfig, systemd, install, api, masters, ssh, kubernetesVersion, lint"),
    ("no apiVersion", "apiVersion: kcm/v1\n", "", "kcm.yaml:1:1: `apiVersion` is missing in the file | help: add the key"),
    ("no server", "  server: https://192.168.1.210:6443\n", "", "kcm.yaml:3:3: `server` is missing in cluster | help: add the key"),
    ("no address", "name: k8s-master-02, address: 192.168.1.205", "name: k8s-master-02", "kcm.yaml:12:5: `address` is missing in masters[1] | help: add the key"),
];

#[rustfmt::skip]
const TYPES: &[Edit] = &[
    ("an apiVersion of another tool", "kcm/v1", "v1", "kcm.yaml:1:13: apiVersion: `v1` is not a supported apiVersion | help: write kcm/v1"),
    ("an apiVersion to come", "kcm/v1", "kcm/v2", "kcm.yaml:1:13: apiVersion: `kcm/v2` is not a supported apiVersion | help: write kcm/v1"),
    ("a section that is null", "pki:\n", "pki:\nignored:\n", "kcm.yaml:6:5: `caCert` is missing in pki | help: add the key"),
    ("a section that is a text", "masters:\n", "install: /opt\nmasters:\n", r#"kcm.yaml:10:10: install: found the text "/opt" | help: write a section of `key: value` lines"#),
    ("a section that is a list", "masters:\n", "ssh: [kube]\nmasters:\n", "kcm.yaml:10:6: ssh: found a list | help: write a section of `key: value` lines"),
    ("a value that is null", "https://192.168.1.210:6443", "", "kcm.yaml:3:10: cluster.server: the server URL must begin with https://"),
    ("a value that is a list", "https://192.168.1.210:6443", "[https://192.168.1.210:6443]", "kcm.yaml:3:11: cluster.server: found a list | help: write an https URL, as in https://192.168.1.210:6443"),
    ("a value that is a map", "https://192.168.1.210:6443", "{url: https://192.168.1.210:6443}", "kcm.yaml:3:11: cluster.server: found a section | help: write an https URL, as in https://192.168.1.210:6443"),
    ("a master that is a text", "{name: k8s-master-02, address: 192.168.1.205}", "k8s-master-02", r#"kcm.yaml:12:5: masters[1]: found the text "k8s-master-02" | help: write a section of `key: value` lines"#),
    ("a number that is a word", "masters:\n", "ssh: {port: ssh}\nmasters:\n", r#"kcm.yaml:10:13: ssh.port: found the text "ssh" | help: write a whole number from 0 to 65535"#),
    ("a number that is text", "masters:\n", "ssh: {port: \"22\"}\nmasters:\n", r#"kcm.yaml:10:13: ssh.port: found the text "22" | help: write a whole number from 0 to 65535"#),
    ("a number with a fraction", "pki:\n", "  nodeCidrMaskSize: 24.5\npki:\n", "kcm.yaml:6:21: cluster.nodeCidrMaskSize: found the number 24.5 | help: write a whole number from 0 to 255"),
    ("a truth that is a word", "  keyAlgorithm:", "  createCa: yes\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.createCa: found the text "yes" | help: write true or false"#),
];

#[rustfmt::skip]
const VALUES: &[Edit] = &[
    ("a server without TLS", "https://192.168.1.210:6443", "http://192.168.1.210:6443", "kcm.yaml:3:11: cluster.server: the server URL must begin with https://"),
    ("a server without scheme", "https://192.168.1.210:6443", "192.168.1.210:6443", "kcm.yaml:3:11: cluster.server: the server URL must begin with https://"),
    ("a server with a password", "https://192.168.1.210", "https://admin:secret@192.168.1.210", "kcm.yaml:3:11: cluster.server: the server URL must not contain a user name or password"),
    ("a server without port number", "192.168.1.210:6443", "192.168.1.210:https", "kcm.yaml:3:11: cluster.server: the port of the server URL is not a number from 1 to 65535"),
    ("a range without prefix", "172.20.0.0/16", "172.20.0.0", "kcm.yaml:4:16: cluster.clusterCidr: `172.20.0.0` is not an address range | help: write an address, a slash and a prefix length, as in 172.20.0.0/16"),
    ("a range with a mask", "172.20.0.0/16", "172.20.0.0/255.255.0.0", "kcm.yaml:4:16: cluster.clusterCidr: `172.20.0.0/255.255.0.0` is not an address range | help: write an address, a slash and a prefix length, as in 172.20.0.0/16"),
    ("a prefix beyond an address", "172.20.0.0/16", "172.20.0.0/33", "kcm.yaml:4:16: cluster.clusterCidr: `172.20.0.0/33` is not an address range | help: write an address, a slash and a prefix length, as in 172.20.0.0/16"),
    ("a range with host bits", "172.20.0.0/16", "172.20.1.0/16", "kcm.yaml:4:16: cluster.clusterCidr: `172.20.1.0/16` is not an address range | help: clear the host bits and write 172.20.0.0/16"),
    ("two ranges of one family", "172.20.0.0/16", "172.20.0.0/16,172.21.0.0/16", "kcm.yaml:4:16: cluster.clusterCidr: 172.20.0.0/16 and 172.21.0.0/16 are both IPv4 | help: for dual stack, write one IPv4 and one IPv6 range"),
    ("a list of one family", "10.68.0.0/16", "[fd01::/108, fd02::/108]", "kcm.yaml:5:26: cluster.serviceClusterIpRange: fd01::/108 and fd02::/108 are both IPv6 | help: for dual stack, write one IPv4 and one IPv6 range"),
    ("three ranges", "172.20.0.0/16", "[172.20.0.0/16, fd00::/56, 172.21.0.0/16]", "kcm.yaml:4:16: cluster.clusterCidr: found 3 ranges | help: write one range, or one IPv4 and one IPv6 range"),
    ("no range in a list", "172.20.0.0/16", "[]", "kcm.yaml:4:16: cluster.clusterCidr: the list is empty | help: write a range, as in 172.20.0.0/16"),
    ("a wrong range in a list", "172.20.0.0/16", "[172.20.0.0/16, fd00::1/56]", "kcm.yaml:4:32: cluster.clusterCidr[1]: `fd00::1/56` is not an address range | help: clear the host bits and write fd00::/56"),
    ("a range that is a section", "172.20.0.0/16", "{ipv4: 172.20.0.0/16}", "kcm.yaml:4:16: cluster.clusterCidr: found a section | help: write an address range, as in 172.20.0.0/16, or a list of one IPv4 and one IPv6 range"),
    ("a range that is a number", "172.20.0.0/16", "16", "kcm.yaml:4:16: cluster.clusterCidr: found the number 16 | help: write an address range, as in 172.20.0.0/16, or a list of one IPv4 and one IPv6 range"),
    ("ranges of two families", "172.20.0.0/16", "fd00::/48", "kcm.yaml:5:26: cluster.serviceClusterIpRange: 10.68.0.0/16 and clusterCidr fd00::/48 have no IP family in common | help: give Services a range of the same IP family"),
    ("one node mask for two ranges", "  clusterCidr: 172.20.0.0/16\n", "  clusterCidr: [172.20.0.0/16, fd00::/56]\n  nodeCidrMaskSize: 24\n", "kcm.yaml:5:21: cluster.nodeCidrMaskSize: kube-controller-manager rejects one mask size for two ranges | help: set nodeCidrMaskSizeIpv4 and nodeCidrMaskSizeIpv6"),
    ("a node mask of a family that has no range", "pki:\n", "  nodeCidrMaskSizeIpv6: 64\npki:\n", "kcm.yaml:6:25: cluster.nodeCidrMaskSizeIpv6: clusterCidr 172.20.0.0/16 has no IPv6 range | help: remove this key"),
    ("two node masks for one range", "pki:\n", "  nodeCidrMaskSize: 24\n  nodeCidrMaskSizeIpv4: 24\npki:\n", "kcm.yaml:7:25: cluster.nodeCidrMaskSizeIpv4: kube-controller-manager rejects this key together with nodeCidrMaskSize | help: keep one of them"),
    ("an IPv6 node mask too far off with two ranges", "  clusterCidr: 172.20.0.0/16\n", "  clusterCidr: [fd00::/48, 172.20.0.0/16]\n  nodeCidrMaskSizeIpv6: 80\n", "kcm.yaml:5:25: cluster.nodeCidrMaskSizeIpv6: 80 exceeds the prefix length of clusterCidr fd00::/48 by more than 16, which kube-controller-manager rejects | help: use 48 to 64"),
    ("an overlap of second ranges", "  clusterCidr: 172.20.0.0/16\n  serviceClusterIpRange: 10.68.0.0/16\n", "  clusterCidr: [172.20.0.0/16, fd00::/56]\n  serviceClusterIpRange: [10.68.0.0/16, fd00::/108]\n", "kcm.yaml:5:26: cluster.serviceClusterIpRange: fd00::/108 overlaps clusterCidr fd00::/56 | help: give Services a separate range"),
    ("overlapping ranges", "10.68.0.0/16", "172.20.128.0/17", "kcm.yaml:5:26: cluster.serviceClusterIpRange: 172.20.128.0/17 overlaps clusterCidr 172.20.0.0/16 | help: give Services a separate range"),
    ("a node mask shorter than the range", "pki:\n", "  nodeCidrMaskSize: 8\npki:\n", "kcm.yaml:6:21: cluster.nodeCidrMaskSize: 8 is less than the prefix length of clusterCidr 172.20.0.0/16, which leaves no range for a node | help: use 16 to 32"),
    ("a node mask longer than an address", "pki:\n", "  nodeCidrMaskSize: 33\npki:\n", "kcm.yaml:6:21: cluster.nodeCidrMaskSize: 33 exceeds the length of an address | help: use 16 to 32"),
    ("a node mask that is no size", "pki:\n", "  nodeCidrMaskSize: 300\npki:\n", "kcm.yaml:6:21: cluster.nodeCidrMaskSize: found the number 300 | help: write a whole number from 0 to 255"),
    ("a negative node mask", "pki:\n", "  nodeCidrMaskSize: -1\npki:\n", "kcm.yaml:6:21: cluster.nodeCidrMaskSize: found the number -1 | help: write a whole number from 0 to 255"),
    ("a range too small for the usual node mask", "172.20.0.0/16", "172.20.0.0/26", "kcm.yaml:4:16: cluster.clusterCidr: nodeCidrMaskSize defaults to 24, and 24 is less than the prefix length of clusterCidr 172.20.0.0/26, which leaves no range for a node | help: use 26 to 32 in nodeCidrMaskSize"),
    ("an IPv6 node mask too far off", "  clusterCidr: 172.20.0.0/16\n  serviceClusterIpRange: 10.68.0.0/16\n", "  clusterCidr: fd00::/40\n  serviceClusterIpRange: fd01::/108\n", "kcm.yaml:4:16: cluster.clusterCidr: nodeCidrMaskSize defaults to 64, and 64 exceeds the prefix length of clusterCidr fd00::/40 by more than 16, which kube-controller-manager rejects | help: use 40 to 56 in nodeCidrMaskSize"),
    ("a cluster name with blanks", "pki:\n", "  name: my cluster\npki:\n", "kcm.yaml:6:9: cluster.name: `my cluster` is not a cluster name | help: use letters, digits, dots and dashes"),
    ("a path from the shell", "pki/ca/cert/ca.pem", "~/ca.pem", "kcm.yaml:7:11: pki.caCert: `~/ca.pem` is not a path on this machine | help: write the path without `~`, absolute or relative to the cluster file"),
    ("an empty path", "pki/ca/cert/ca.pem", "\"\"", "kcm.yaml:7:11: pki.caCert: `` is not a path on this machine | help: write a path"),
    ("one file for the CA and its key", "pki/ca/cert/ca-key.pem", "pki/ca/cert/ca.pem", "kcm.yaml:8:10: pki.caKey: is the same file as pki.caCert | help: store the private key in a separate file"),
    ("an unknown key algorithm", "ecdsa-p256", "ed25519", r#"kcm.yaml:9:17: pki.keyAlgorithm: "ed25519" is not a key algorithm | help: write one of: rsa-2048, rsa-3072, rsa-4096, rsa-8192, ecdsa-p256, ecdsa-p384, ecdsa-p521"#),
    ("a lifetime in years", "  keyAlgorithm:", "  lifetime: 10y\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.lifetime: the duration "10y" is in years, which cfssl does not support | help: write `87600h`"#),
    ("a lifetime in days", "  keyAlgorithm:", "  lifetime: 3650d\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.lifetime: the duration "3650d" is in days, which cfssl does not support | help: write `87600h`"#),
    ("a lifetime without unit", "  keyAlgorithm:", "  lifetime: 87600\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.lifetime: the duration "87600" has no unit | help: did you mean `87600h`?"#),
    ("a negative lifetime", "  keyAlgorithm:", "  lifetime: -1h\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.lifetime: the duration "-1h" is not positive | help: write a duration above zero, such as `8760h`"#),
    ("no lifetime at all", "  keyAlgorithm:", "  lifetime: 0h\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.lifetime: the duration "0h" is not positive | help: write a duration above zero, such as `8760h`"#),
    ("a lifetime that ends at once", "  keyAlgorithm:", "  lifetime: 5m\n  keyAlgorithm:", "kcm.yaml:9:13: pki.lifetime: is shorter than an hour | help: write 1h or more"),
    ("a lifetime in words", "  keyAlgorithm:", "  lifetime: forever\n  keyAlgorithm:", r#"kcm.yaml:9:13: pki.lifetime: "forever" is not a duration | help: write hours, minutes and seconds, such as `87600h` or `1h30m`"#),
    ("always to be renewed", "  keyAlgorithm:", "  lifetime: 24h\n  renewBefore: 24h\n  keyAlgorithm:", "kcm.yaml:10:16: pki.renewBefore: is not shorter than the lifetime of 24h: every run would issue a new certificate | help: decrease pki.renewBefore, or increase pki.lifetime"),
    ("always to be renewed, by default lifetime", "  keyAlgorithm:", "  renewBefore: 87600h\n  keyAlgorithm:", "kcm.yaml:9:16: pki.renewBefore: is not shorter than the lifetime of 87600h: every run would issue a new certificate | help: decrease pki.renewBefore, or increase pki.lifetime"),
    ("a profile without signing config", "  keyAlgorithm:", "  profile: kubernetes\n  keyAlgorithm:", "kcm.yaml:9:12: pki.profile: requires pki.signingConfig | help: set pki.signingConfig, or remove this key"),
    ("a signer without words", "  keyAlgorithm:", "  signer: {command: []}\n  keyAlgorithm:", "kcm.yaml:9:21: pki.signer.command: the list is empty | help: write the program and its arguments"),
    ("a signer without program", "  keyAlgorithm:", "  signer: {command: ['', x]}\n  keyAlgorithm:", "kcm.yaml:9:22: pki.signer.command[0]: is empty | help: write the name or the path of a program"),
    ("a signer as a line", "  keyAlgorithm:", "  signer: {command: sign}\n  keyAlgorithm:", "kcm.yaml:9:21: pki.signer.command: found the text \"sign\" | help: write a list, each entry after a `-`"),
    ("a signer that may hang", "  keyAlgorithm:", "  signer: {command: [sign], timeout: 2h}\n  keyAlgorithm:", "kcm.yaml:9:38: pki.signer.timeout: `2h` is not a timeout | help: write a time from 1s to 1h, as in 1m"),
    ("a passphrase in the file", "  keyAlgorithm:", "  caKeyPassphrase: secret\n  keyAlgorithm:", "kcm.yaml:9:20: pki.caKeyPassphrase: found the text \"secret\" | help: write a section of `key: value` lines"),
    ("a passphrase from nowhere", "  keyAlgorithm:", "  caKeyPassphrase: {}\n  keyAlgorithm:", "kcm.yaml:9:20: pki.caKeyPassphrase: sets neither `file` nor `env` | help: write {file: PATH} or {env: NAME}, or remove this key for a prompt on the terminal"),
    ("a passphrase for no key", "  caKey: pki/ca/cert/ca-key.pem\n", "  caKeyPassphrase: {env: SECRET}\n", "kcm.yaml:8:20: pki.caKeyPassphrase: requires pki.caKey | help: set pki.caKey, or remove this key"),
    ("a CA to create without a key", "  caKey: pki/ca/cert/ca-key.pem\n", "  createCa: true\n", "kcm.yaml:8:13: pki.createCa: requires pki.caKey | help: set pki.caKey, or remove this key"),
    ("a CA key to upload that is not here", "  caKey: pki/ca/cert/ca-key.pem\n  keyAlgorithm: ecdsa-p256\n", "install: {distributeCa: true}\n", "kcm.yaml:8:25: install.distributeCa: requires pki.caKey | help: set pki.caKey, or remove this key and copy the CA to the masters"),
    ("a relative install root", "masters:\n", "install: {root: opt/kubernetes}\nmasters:\n", "kcm.yaml:10:17: install.root: `opt/kubernetes` is not a folder path on the masters | help: write an absolute path, starting with `/`"),
    ("an install root that goes up", "masters:\n", "install: {root: /opt/../etc}\nmasters:\n", "kcm.yaml:10:17: install.root: `/opt/../etc` is not a folder path on the masters | help: write the path without `//`, `/./` and `/../`"),
    ("the root as install root", "masters:\n", "install: {root: /}\nmasters:\n", "kcm.yaml:10:17: install.root: `/` is not a folder path on the masters | help: write a folder below `/`, as in /opt/kubernetes"),
    ("an install root that systemd cannot quote", "masters:\n", "install: {root: '/opt/a\"b'}\nmasters:\n", r#"kcm.yaml:10:17: install.root: `/opt/a"b` is not a folder path on the masters | help: systemd cannot start an executable below this folder: executable path `/opt/a"b/bin/kube-controller-manager` contains '"', which systemd rejects; rename the file or create a symbolic link"#),
    ("a bind address nobody has", "masters:\n", "controllerManager: {bindAddress: localhost}\nmasters:\n", "kcm.yaml:10:34: controllerManager.bindAddress: `localhost` is not a bind address | help: write host, loopback, any, or an IP address"),
];

#[rustfmt::skip]
const MASTERS: &[Edit] = &[
    ("a server of its own without TLS", "address: 192.168.1.205", "address: 192.168.1.205, server: http://192.168.1.205:6443", "kcm.yaml:12:59: masters[1].server: the server URL must begin with https://"),
    ("a name twice", "name: k8s-master-03", "name: k8s-master-01", "kcm.yaml:13:12: masters[2].name: `k8s-master-01` is also the name of masters[0] | help: give each master a unique name"),
    ("an address twice", "192.168.1.206", "192.168.1.204", "kcm.yaml:13:36: masters[2].address: `192.168.1.204` is also the address of k8s-master-01 | help: write another address, or set another `ssh.port`"),
    ("an address twice, once mapped to IPv6", "192.168.1.206", "\"::ffff:192.168.1.204\"", "kcm.yaml:13:36: masters[2].address: `192.168.1.204` is also the address of k8s-master-01 | help: write another address, or set another `ssh.port`"),
    ("an address twice, once with ssh's own port", "192.168.1.206", "192.168.1.204, ssh: {port: 22}", "kcm.yaml:13:36: masters[2].address: `192.168.1.204` is also the address of k8s-master-01 | help: write another address, or set another `ssh.port`"),
    ("a host name twice", "192.168.1.205}\n  - {name: k8s-master-03, address: 192.168.1.206", "gate, bindAddress: any}\n  - {name: k8s-master-03, address: Gate, bindAddress: any", "kcm.yaml:13:36: masters[2].address: `Gate` is also the address of k8s-master-02 | help: write another address, or set another `ssh.port`"),
    ("a name with a slash", "name: k8s-master-02", "name: k8s/master-02", "kcm.yaml:12:12: masters[1].name: `k8s/master-02` is not a master name | help: use letters, digits, dots and dashes"),
    ("a name that goes up", "name: k8s-master-02", "name: ..", "kcm.yaml:12:12: masters[1].name: `..` is not a master name | help: start the name with a letter or a digit"),
    ("an empty name", "name: k8s-master-02", "name: \"\"", "kcm.yaml:12:12: masters[1].name: `` is not a master name | help: start the name with a letter or a digit"),
    ("an address that is none", "192.168.1.205", "192.168.1.256", "kcm.yaml:12:36: masters[1].address: `192.168.1.256` is not an IP address or a host name | help: write an IPv4 address as four numbers from 0 to 255"),
    ("an address with a port", "192.168.1.205", "192.168.1.205:22", "kcm.yaml:12:36: masters[1].address: `192.168.1.205:22` is not an IP address or a host name | help: write the address alone, and the port in `ssh.port` (jump host: `port`)"),
    ("an address that is an option", "192.168.1.205", "-oProxyCommand=reboot", "kcm.yaml:12:36: masters[1].address: `-oProxyCommand=reboot` is not an IP address or a host name | help: start the name with a letter or a digit"),
    ("every address", "192.168.1.205", "0.0.0.0", "kcm.yaml:12:36: masters[1].address: `0.0.0.0` is not an IP address or a host name | help: write the address of a single host"),
    ("a host name without an address to bind", "192.168.1.205", "master-2.example", "kcm.yaml:12:36: masters[1].address: `master-2.example` is a host name, and bindAddress `host` needs an IP address | help: write the IP address, or set `bindAddress` for this master"),
    ("port 0", "192.168.1.205", "192.168.1.205, ssh: {port: 0}", "kcm.yaml:12:63: masters[1].ssh.port: 0 is not a valid port | help: write a port from 1 to 65535"),
    ("port 65536", "192.168.1.205", "192.168.1.205, ssh: {port: 65536}", "kcm.yaml:12:63: masters[1].ssh.port: found the number 65536 | help: write a whole number from 0 to 65535"),
    ("a jump through port 0", "192.168.1.205", "192.168.1.205, ssh: {jump: [{host: gate, port: 0}]}", "kcm.yaml:12:83: masters[1].ssh.jump[0].port: 0 is not a valid port | help: write a port from 1 to 65535"),
    ("a login name with a blank", "192.168.1.205", "192.168.1.205, ssh: {user: a b}", "kcm.yaml:12:63: masters[1].ssh.user: `a b` is not a login name | help: use letters, digits, dots and dashes"),
];

#[rustfmt::skip]
const SSH: &[Edit] = &[
    ("sudo as a truth", "masters:\n", "ssh: {sudo: true}\nmasters:\n", "kcm.yaml:10:13: ssh.sudo: `true` is not a sudo mode | help: write passwordless, password or none"),
    ("a password for a sudo that asks for none", "masters:\n", "ssh: {sudoPassword: {env: A}}\nmasters:\n", "kcm.yaml:10:21: ssh.sudoPassword: has no effect without `sudo: password` | help: set `sudo: password`, or remove this key"),
    ("a password for no sudo at all", "192.168.1.205", "192.168.1.205, ssh: {sudo: none, sudoPassword: {file: a}}", "kcm.yaml:12:83: masters[1].ssh.sudoPassword: has no effect without `sudo: password` | help: set `sudo: password`, or remove this key"),
    ("a password from two places", "masters:\n", "ssh: {sudo: password, sudoPassword: {env: A, file: a}}\nmasters:\n", "kcm.yaml:10:37: ssh.sudoPassword: sets both `file` and `env` | help: keep one of them"),
    ("a password from nowhere", "masters:\n", "ssh: {sudo: password, sudoPassword: {}}\nmasters:\n", "kcm.yaml:10:37: ssh.sudoPassword: sets neither `file` nor `env` | help: write {file: PATH} or {env: NAME}, or remove this key for a prompt on the terminal"),
    ("a password itself", "masters:\n", "ssh: {sudo: password, sudoPassword: hunter2}\nmasters:\n", "kcm.yaml:10:37: ssh.sudoPassword: the cluster file must not contain a password | help: write {file: PATH} or {env: NAME}"),
    ("a password as a variable's name", "masters:\n", "ssh: {sudo: password, sudoPassword: {env: $PASSWORD}}\nmasters:\n", "kcm.yaml:10:43: ssh.sudoPassword.env: `…` is not an environment variable name | help: use letters, digits and underscores, and do not write the password in the cluster file"),
    ("host keys that are not checked", "masters:\n", "ssh: {hostKeys: no}\nmasters:\n", "kcm.yaml:10:17: ssh.hostKeys: `no` is not a host key policy | help: write strict or accept-new"),
    ("a timeout without unit", "masters:\n", "ssh: {connectTimeout: 10}\nmasters:\n", "kcm.yaml:10:23: ssh.connectTimeout: `10` is not a connection timeout | help: write whole seconds from 1s to 300s, as in 10s"),
    ("a timeout with a fraction", "masters:\n", "ssh: {connectTimeout: 1500ms}\nmasters:\n", "kcm.yaml:10:23: ssh.connectTimeout: `1500ms` is not a connection timeout | help: write whole seconds from 1s to 300s, as in 10s"),
    ("a timeout of hours", "192.168.1.205", "192.168.1.205, ssh: {connectTimeout: 1h}", "kcm.yaml:12:73: masters[1].ssh.connectTimeout: `1h` is not a connection timeout | help: write whole seconds from 1s to 300s, as in 10s"),
];

#[rustfmt::skip]
const FLAGS: &[Edit] = &[
    ("a flag twice", "masters:\n", "controllerManager:\n  flags:\n    v: 2\n    v: 4\nmasters:\n", "kcm.yaml:12:5: controllerManager.flags: duplicate flag `v` | help: keep one of them"),
    ("a flag with its dashes", "masters:\n", "controllerManager: {flags: {--v: 4}}\nmasters:\n", "kcm.yaml:10:29: controllerManager.flags: flag name `--v` starts with a dash | help: remove the leading dashes"),
    ("a flag with its value", "masters:\n", "controllerManager: {flags: {v=4: }}\nmasters:\n", "kcm.yaml:10:29: controllerManager.flags: flag name `v=4` contains `=` | help: write the name and the value separately"),
    ("a flag with underscores", "masters:\n", "controllerManager: {flags: {leader_elect: true}}\nmasters:\n", "kcm.yaml:10:29: controllerManager.flags: flag name `leader_elect` contains `_` | help: write `-` instead"),
    ("a flag without name", "masters:\n", "controllerManager: {flags: {\"\": 1}}\nmasters:\n", "kcm.yaml:10:29: controllerManager.flags: a flag name is empty | help: write a name such as `cluster-cidr`"),
    ("flags as on a command line", "masters:\n", "controllerManager: {flags: [--v=4]}\nmasters:\n", "kcm.yaml:10:28: controllerManager.flags: found a list | help: write flags as lines `name: value`, or `name: null` to remove one"),
    ("a list as a flag's value", "masters:\n", "controllerManager: {flags: {controllers: [a, b]}}\nmasters:\n", r#"kcm.yaml:10:42: controllerManager.flags.controllers: found a list | help: write one value (join several with commas: "a,b"), or null to remove the flag"#),
    ("a map as a flag's value", "masters:\n", "controllerManager: {flags: {feature-gates: {A: true}}}\nmasters:\n", r#"kcm.yaml:10:44: controllerManager.flags.feature-gates: found a section | help: write one value (join several with commas: "a,b"), or null to remove the flag"#),
    ("a flag removed that is not there", "masters:\n", "controllerManager: {flags: {profiling: null}}\nmasters:\n", "k8s-master-01: flags.profiling is null, but kcm does not set --profiling | help: remove the line"),
    ("a flag that another key sets", "masters:\n", "controllerManager: {flags: {cluster-cidr: 10.0.0.0/8}}\nmasters:\n", "kcm.yaml:10:43: controllerManager.flags.cluster-cidr: kcm sets this flag from another key | help: set cluster.clusterCidr instead"),
    ("the bind address as a flag", "192.168.1.205", "192.168.1.205, flags: {bind-address: 0.0.0.0}", "kcm.yaml:12:73: masters[1].flags.bind-address: kcm sets this flag from another key | help: set bindAddress of controllerManager or of the master instead"),
    ("a relative path", "masters:\n", "install: {paths: {caCert: ca.pem}}\nmasters:\n", "kcm.yaml:10:27: install.paths.caCert: `ca.pem` is not a file path on the masters | help: write an absolute path, starting with `/`"),
    ("a path that is a folder", "masters:\n", "install: {paths: {caCert: /etc/}}\nmasters:\n", "kcm.yaml:10:27: install.paths.caCert: `/etc/` is not a file path on the masters | help: write the path of a file"),
    ("two files at one path", "masters:\n", "install: {paths: {cert: /etc/k/x.pem, key: /etc/k/x.pem}}\nmasters:\n", "kcm.yaml:10:18: install.paths: two files have the path /etc/k/x.pem | help: give each file a separate path"),
    ("a unit that is none", "masters:\n", "install: {paths: {unit: /etc/systemd/system/kcm.target}}\nmasters:\n", "kcm.yaml:10:25: install.paths.unit: `kcm.target` is not the name of a service unit | help: write NAME.service, without `@`"),
    ("a binary that systemd cannot start", "masters:\n", "install: {paths: {binary: '/opt/a\"b'}}\nmasters:\n", r#"kcm.yaml:10:27: install.paths.binary: executable path `/opt/a"b` contains '"', which systemd rejects | help: rename the file or create a symbolic link"#),
    ("another way to compare", "masters:\n", "install: {compare: sense}\nmasters:\n", "kcm.yaml:10:20: install.compare: `sense` is not a comparison method | help: write bytes or semantic"),
    ("the kubeconfig as a flag", "masters:\n", "controllerManager: {flags: {kubeconfig: /root/.kube/config}}\nmasters:\n", "kcm.yaml:10:41: controllerManager.flags.kubeconfig: kcm sets this flag to the path of its kubeconfig | help: set install.paths.kubeconfig instead"),
    ("the kubeconfig removed", "masters:\n", "controllerManager: {flags: {kubeconfig: null}}\nmasters:\n", "kcm.yaml:10:41: controllerManager.flags.kubeconfig: kcm sets this flag to the path of its kubeconfig | help: set install.paths.kubeconfig instead"),
    ("a NUL in a flag's value", "masters:\n", "controllerManager: {flags: {v: \"2\\0\"}}\nmasters:\n", "kcm.yaml:10:32: controllerManager.flags.v: the value contains a NUL byte, which is not allowed in a process argument | help: remove the byte from --v"),
];

#[rustfmt::skip]
const SYSTEMD: &[Edit] = &[
    ("a key of systemd mistyped", "masters:\n", "systemd: {usr: kube}\nmasters:\n", "kcm.yaml:10:11: systemd.usr: unknown key | help: did you mean `user`?"),
    ("a user by number", "masters:\n", "systemd: {user: 1000}\nmasters:\n", "kcm.yaml:10:17: systemd.user: account name `1000` is a number, which can refer to different accounts on different machines | help: write a name"),
    ("a user that only some programs take", "masters:\n", "systemd: {user: kube.admin}\nmasters:\n", "kcm.yaml:10:17: systemd.user: account name `kube.admin` may contain only letters, digits, `_` and `-`"),
    ("an empty user", "masters:\n", "systemd: {user: \"\"}\nmasters:\n", "kcm.yaml:10:17: systemd.user: account name `` is empty | help: write a name such as `kube`"),
    ("a group that starts with a digit", "masters:\n", "systemd: {user: kube, group: 1kube}\nmasters:\n", "kcm.yaml:10:30: systemd.group: account name `1kube` must start with a letter or `_`"),
    ("a user that is too long", "masters:\n", "systemd: {user: kube-controller-manager-of-our-workspace}\nmasters:\n", "kcm.yaml:10:17: systemd.user: account name `kube-controller-manager-of-our-workspace` is longer than 31 bytes"),
    ("a group without user", "masters:\n", "systemd: {group: kube}\nmasters:\n", "kcm.yaml:10:18: systemd.group: requires systemd.user | help: set systemd.user, or remove this key"),
    ("a hardening nobody knows", "masters:\n", "systemd: {hardening: paranoid}\nmasters:\n", "kcm.yaml:10:22: systemd.hardening: `paranoid` is not a hardening preset | help: write none or strict"),
    ("a hardening as a truth", "masters:\n", "systemd: {hardening: true}\nmasters:\n", "kcm.yaml:10:22: systemd.hardening: `true` is not a hardening preset | help: write none or strict"),
    ("directives as in a unit", "masters:\n", "systemd: {directives: \"[Service]\"}\nmasters:\n", r#"kcm.yaml:10:23: systemd.directives: found the text "[Service]" | help: write directives by section, as in `Service: {LimitNOFILE: 65536}`"#),
    ("a directive without section", "masters:\n", "systemd: {directives: {LimitNOFILE: 65536}}\nmasters:\n", "kcm.yaml:10:37: systemd.directives.LimitNOFILE: found the number 65536 | help: write directives by section, as in `Service: {LimitNOFILE: 65536}`"),
    ("a section that units do not have", "masters:\n", "systemd: {directives: {service: {Nice: 1}}}\nmasters:\n", "kcm.yaml:10:33: systemd.directives.service: not a section of a service unit | help: did you mean `Service`?"),
    ("a section of another kind of unit", "masters:\n", "systemd: {directives: {Timer: {OnCalendar: daily}}}\nmasters:\n", "kcm.yaml:10:31: systemd.directives.Timer: not a section of a service unit | help: use Unit, Service or Install, or X-… for other programs"),
    ("a section in brackets", "masters:\n", "systemd: {directives: {\"[Service]\": {Nice: 1}}}\nmasters:\n", "kcm.yaml:10:24: systemd.directives: section name `[Service]` must consist of letters, digits and `-`, as in `Service`"),
    ("a section twice", "masters:\n", "systemd:\n  directives:\n    Service: {Nice: 1}\n    Service: {Nice: 2}\nmasters:\n", "kcm.yaml:12:5: systemd.directives: duplicate section `Service` | help: keep one of them"),
    ("a directive twice", "masters:\n", "systemd:\n  directives:\n    Service:\n      Environment: A=1\n      Environment: B=2\nmasters:\n", "kcm.yaml:13:7: systemd.directives.Service: duplicate directive `Environment` | help: write a list of values"),
    ("a directive with its value", "masters:\n", "systemd: {directives: {Service: {Nice=1: }}}\nmasters:\n", "kcm.yaml:10:34: systemd.directives.Service: directive key `Nice=1` must consist of letters, digits and `-`, as in `RestartSec`"),
    ("a directive without value", "masters:\n", "systemd: {directives: {Service: {CapabilityBoundingSet: }}}\nmasters:\n", r#"kcm.yaml:10:57: systemd.directives.Service.CapabilityBoundingSet: found no value | help: write one value or a list of them ("" is the empty value)"#),
    ("a directive without any of several values", "masters:\n", "systemd: {directives: {Service: {Environment: []}}}\nmasters:\n", r#"kcm.yaml:10:47: systemd.directives.Service.Environment: the list is empty | help: write "" for the empty value, or remove the key"#),
    ("a list in a directive's list", "masters:\n", "systemd: {directives: {Service: {Environment: [[A=1]]}}}\nmasters:\n", "kcm.yaml:10:47: systemd.directives.Service.Environment: a list contains another list | help: write all values in one list"),
    ("a directive with a fraction", "masters:\n", "systemd: {directives: {Service: {TimeoutStopSec: 1.50}}}\nmasters:\n", "kcm.yaml:10:50: systemd.directives.Service.TimeoutStopSec: a number with a fraction requires quotes | help: put the number in quotes"),
    ("a directive that is a map", "masters:\n", "systemd: {directives: {Service: {Environment: {A: 1}}}}\nmasters:\n", r#"kcm.yaml:10:47: systemd.directives.Service.Environment: found a section | help: write one value or a list of them ("" is the empty value)"#),
    ("a directive of two lines", "masters:\n", "systemd: {directives: {Service: {Environment: [A=1, \"B=2\\nUser=root\"]}}}\nmasters:\n", r"kcm.yaml:10:53: systemd.directives.Service.Environment[1]: directive value `B=2\nUser=root` contains '\n', which a unit file cannot contain | help: remove the character"),
    ("a directive that would swallow the next", "masters:\n", "systemd: {directives: {Service: {Environment: A=\\}}}\nmasters:\n", r"kcm.yaml:10:47: systemd.directives.Service.Environment: directive value `A=\` ends with a backslash, which would continue the value on the next line | help: double the backslash"),
    ("a directive that begins with a blank", "masters:\n", "systemd: {directives: {Service: {Environment: \" A=1\"}}}\nmasters:\n", "kcm.yaml:10:47: systemd.directives.Service.Environment: directive value ` A=1` starts or ends with white space, which systemd would strip | help: remove the white space"),
    ("a command that systemd refuses", "masters:\n", "systemd: {directives: {Service: {ExecStartPre: [/bin/true, bin/check]}}}\nmasters:\n", "kcm.yaml:10:60: systemd.directives.Service.ExecStartPre[1]: in systemd 252, the executable is not valid: `bin/check` | help: write an absolute path without quotes, backslashes or a trailing slash"),
    ("a command whose quote stays open", "masters:\n", "systemd: {directives: {Service: {ExecStartPre: /bin/sh -c \"exit}}}\nmasters:\n", r#"kcm.yaml:10:48: systemd.directives.Service.ExecStartPre: in systemd 252, a quote is not closed: `"exit` | help: close the quote, or write a literal quote as `\"`"#),
    ("an alias that is no unit", "masters:\n", "systemd: {directives: {Install: {Alias: kcm}}}\nmasters:\n", "kcm.yaml:10:41: systemd.directives.Install.Alias: `Alias=kcm` in [Install]: unit name `kcm` has no unit type | help: add `.service`"),
    ("the command as a directive", "masters:\n", "systemd: {directives: {Service: {ExecStart: /bin/true}}}\nmasters:\n", "kcm.yaml:10:45: systemd.directives.Service.ExecStart: kcm sets this directive from another key | help: set controllerManager.flags instead"),
    ("the user as a directive", "masters:\n", "systemd: {directives: {Service: {User: kube}}}\nmasters:\n", "kcm.yaml:10:40: systemd.directives.Service.User: kcm sets this directive from another key | help: set systemd.user instead"),
    ("the group as a directive", "masters:\n", "systemd: {directives: {Service: {Group: kube}}}\nmasters:\n", "kcm.yaml:10:41: systemd.directives.Service.Group: kcm sets this directive from another key | help: set systemd.group instead"),
    ("a user for each start", "masters:\n", "systemd: {directives: {Service: {DynamicUser: true}}}\nmasters:\n", "kcm.yaml:10:47: systemd.directives.Service.DynamicUser: a dynamic user does not own the files of the service | help: set systemd.user instead"),
    ("the description as a directive", "masters:\n", "systemd: {directives: {Unit: {Description: ours}}}\nmasters:\n", "kcm.yaml:10:44: systemd.directives.Unit.Description: kcm sets this directive | help: remove this key"),
    ("an owner by number", "masters:\n", "install: {owner: \"0:0\"}\nmasters:\n", "kcm.yaml:10:18: install.owner: `0:0` is not a file owner | help: account name `0` is a number, which can refer to different accounts on different machines; write a name"),
    ("an owner with half a group", "masters:\n", "install: {owner: \"kube:\"}\nmasters:\n", "kcm.yaml:10:18: install.owner: `kube:` is not a file owner | help: write USER, or USER:GROUP with both names"),
    ("an owner with a dot", "masters:\n", "install: {owner: kube.kube}\nmasters:\n", "kcm.yaml:10:18: install.owner: `kube.kube` is not a file owner | help: account name `kube.kube` may contain only letters, digits, `_` and `-`"),
];

/// Keys of a later version, the line before which each is inserted, and the message.
#[rustfmt::skip]
const PLANNED: &[(&str, &str, &str)] = &[
    ("  identity: per-master\n", "masters:\n", "kcm.yaml:10:3: pki.identity: not implemented in this version of kcm (one identity per master) | help: remove the key"),
];

/// Complete cluster files: name, content, and message.
#[rustfmt::skip]
const FILES: &[(&str, &[u8], &str)] = &[
    ("an empty file", b"", "kcm.yaml: the file is empty | help: create a cluster file with `kcm init -f FILE`"),
    ("nothing but a comment", b"# to do\n", "kcm.yaml: the file is empty | help: create a cluster file with `kcm init -f FILE`"),
    ("a list", b"- apiVersion: kcm/v1\n", "kcm.yaml:1:1: found a list | help: write a section of `key: value` lines"),
    ("a text", b"kcm\n", r#"kcm.yaml:1:1: found the text "kcm" | help: write a section of `key: value` lines"#),
    ("JSON that ends early", b"{\"apiVersion\": \"kcm/v1\",", "kcm.yaml:2:1: did not find expected node content, while parsing a flow node | help: close the bracket or the quote, or add a comma"),
    ("Latin-1", b"apiVersion: kcm/v1 # f\xfcr mich\n", "kcm.yaml: invalid UTF-8 at byte 23 | help: save the file as UTF-8"),
    ("UTF-16", b"\xff\xfea\0p\0i\0", "kcm.yaml: invalid UTF-8 at byte 1 | help: save the file as UTF-8"),
    ("a message in a value", b"apiVersion: \"v1\\nerror: all is well\\e[2J\"\n", r"kcm.yaml:1:13: apiVersion: `v1\nerror: all is well\u{1b}[2J` is not a supported apiVersion | help: write kcm/v1"),
    ("NULs", b"apiVersion: kcm/v1\0\0\0\n", "kcm.yaml:1:19: the control character U+0000 is not allowed | help: remove it"),
    ("no masters", b"apiVersion: kcm/v1\ncluster: {server: 'https://a', clusterCidr: 10.0.0.0/16, serviceClusterIpRange: 10.1.0.0/16}\npki: {caCert: a, caKey: b}\n", "kcm.yaml:1:1: `masters` is missing in the file | help: add the key"),
    ("an empty list of masters", b"apiVersion: kcm/v1\ncluster: {server: 'https://a', clusterCidr: 10.0.0.0/16, serviceClusterIpRange: 10.1.0.0/16}\npki: {caCert: a, caKey: b}\nmasters: []\n", "kcm.yaml:4:10: masters: the list is empty | help: add `- {name: …, address: …}` for each host"),
    ("masters that are null", b"apiVersion: kcm/v1\ncluster: {server: 'https://a', clusterCidr: 10.0.0.0/16, serviceClusterIpRange: 10.1.0.0/16}\npki: {caCert: a, caKey: b}\nmasters:\n", "kcm.yaml:4:8: masters: the list is empty | help: add `- {name: …, address: …}` for each host"),
    ("masters by name", b"apiVersion: kcm/v1\ncluster: {server: 'https://a', clusterCidr: 10.0.0.0/16, serviceClusterIpRange: 10.1.0.0/16}\npki: {caCert: a, caKey: b}\nmasters: {m1: 10.2.0.1}\n", "kcm.yaml:4:10: masters: found a section | help: write a list, each entry after a `-`"),
];

#[test]
fn a_file_of_the_wrong_form_says_where() {
    check_edits(FORM);
}

#[test]
fn a_key_that_is_not_known_or_missing_is_named() {
    check_edits(KEYS);
}

#[test]
fn a_value_of_the_wrong_type_says_what_is_expected() {
    check_edits(TYPES);
}

#[test]
fn a_value_that_cannot_be_meant_says_what_to_write() {
    check_edits(VALUES);
}

#[test]
fn masters_that_contradict_each_other_are_named() {
    check_edits(MASTERS);
}

#[test]
fn a_way_to_a_master_that_contradicts_itself_is_named() {
    check_edits(SSH);
}

#[test]
fn a_flag_that_cannot_be_rendered_is_named() {
    check_edits(FLAGS);
}

#[test]
fn a_service_that_systemd_would_not_run_as_written_is_refused() {
    check_edits(SYSTEMD);
}

#[test]
fn a_key_that_is_planned_is_refused_by_name_and_never_ignored() {
    let cases = PLANNED.iter().map(|(key, before, error)| {
        let spoil = move |workspace: &Workspace| workspace.edit(before, &format!("{key}{before}"));
        Case::new(*key, USAGE, spoil, error)
    });
    check(cases);
}

#[test]
fn what_is_no_cluster_file_at_all_is_said() {
    let cases = FILES.iter().map(|(name, content, error)| {
        Case::new(
            *name,
            USAGE,
            move |workspace: &Workspace| workspace.write("kcm.yaml", content),
            error,
        )
    });
    check(cases);
}

#[test]
fn a_file_that_no_one_wrote_by_hand_is_refused_at_once() {
    let bomb =
        (1..=20).fold("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned(), |text, level| {
            let below = format!("*a{}, ", level - 1).repeat(10);
            format!("{text}a{level}: &a{level} [{below}]\n")
        });
    let deep = format!("cluster: {}{}\n", "[".repeat(100_000), "]".repeat(100_000));
    let long = format!("cluster: {}\n", "x".repeat(1 << 20));
    let files = [
        (
            "aliases of aliases",
            bomb,
            "kcm.yaml:1:1: a0: unknown key | help: use one of: apiVersion, cluster, pki, controllerManager, kubeconfig, systemd, install, api, masters, ssh, kubernetesVersion, lint",
        ),
        (
            "depth",
            deep,
            "kcm.yaml: brackets are nested more than 100 levels deep | help: check the path of the cluster file",
        ),
        (
            "length",
            long,
            "kcm.yaml: the file is larger than 1 MiB | help: check the path of the cluster file",
        ),
        (
            "a long value",
            format!("cluster: {}\n", "x".repeat(1000)),
            r#"kcm.yaml:1:10: cluster: found the text "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx … xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" | help: write a section of `key: value` lines"#,
        ),
    ];
    let cases = files.into_iter().map(|(name, text, error)| {
        Case::new(
            name,
            USAGE,
            move |workspace: &Workspace| workspace.write("kcm.yaml", &text),
            error,
        )
    });
    check(cases);
}

#[test]
fn other_editors_files_and_empty_optional_sections_are_read() {
    let changes: [fn(&str) -> String; 6] = [
        |text| text.replace('\n', "\r\n"),
        |text| format!("\u{feff}{text}"),
        |text| format!("---\n{text}"),
        |text| format!("{text}...\n"),
        |text| format!("{text}ssh:\ninstall:\nsystemd:\ncontrollerManager:\n"),
        |text| text.trim_end().to_owned(),
    ];
    let workspace = Workspace::new();
    let (plain, plan) = (workspace.read("kcm.yaml"), workspace.plan());
    for change in changes {
        workspace.write("kcm.yaml", change(&plain));
        assert_eq!(workspace.plan(), plan, "{:?}", workspace.read("kcm.yaml"));
    }
}

fn check_edits(edits: &'static [Edit]) {
    let cases = edits.iter().map(|(name, from, to, error)| {
        Case::new(*name, USAGE, move |workspace: &Workspace| workspace.edit(from, to), error)
    });
    check(cases);
}
