//! Lints of serving: certificates, cipher suites, curves, header names. Most apply only if the
//! secure port is enabled.

use super::value::integer;
use super::{LintCode, Linter};

/// Accepted cipher suites, including insecure ones; unchanged since Go 1.19.
const CIPHERS: &[&str] = &[
    "TLS_AES_128_GCM_SHA256",
    "TLS_AES_256_GCM_SHA384",
    "TLS_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_ECDSA_WITH_RC4_128_SHA",
    "TLS_ECDHE_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
    "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
    "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
    "TLS_ECDHE_RSA_WITH_RC4_128_SHA",
    "TLS_RSA_WITH_3DES_EDE_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA",
    "TLS_RSA_WITH_AES_128_CBC_SHA256",
    "TLS_RSA_WITH_AES_128_GCM_SHA256",
    "TLS_RSA_WITH_AES_256_CBC_SHA",
    "TLS_RSA_WITH_AES_256_GCM_SHA384",
    "TLS_RSA_WITH_RC4_128_SHA",
];

/// Suites of which HTTP/2 requires one, by RFC 9113 section 9.2.2 as applied by Go.
const HTTP2_CIPHERS: [&str; 2] =
    ["TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256"];

/// Numbers of Go's [`CurveID`](https://pkg.go.dev/crypto/tls#CurveID) in any version.
const CURVES: [i64; 7] = [23, 24, 25, 29, 4587, 4588, 4589];

impl Linter<'_> {
    pub(super) fn serving(&mut self) {
        self.uid_headers();
        if let Some(text) = self.set("tls-sni-cert-key")
            && !is_certificate_and_key(text)
        {
            let help = "write `cert.pem,key.pem` or `cert.pem,key.pem:name,name`";
            self.bad("tls-sni-cert-key", text, help);
        }
        if self.number("secure-port", 10257) == Some(0) {
            return;
        }
        self.tls_pair();
        let version = self.flags.get("tls-min-version").unwrap_or_default();
        let versions = ["", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"];
        if !versions.contains(&version) {
            self.bad("tls-min-version", version, "write `VersionTLS12` or `VersionTLS13`");
        }
        self.ciphers(version);
        self.curves();
    }

    fn tls_pair(&mut self) {
        let [cert, key] = ["tls-cert-file", "tls-private-key-file"];
        let (missing, present) = match (self.set(cert), self.set(key)) {
            (Some(_), None) => (key, cert),
            (None, Some(_)) => (cert, key),
            _ => return,
        };
        let problem = format!("the flag is not set, but `--{present}` is set");
        self.lint(LintCode::TlsPair, missing, problem, "set both flags, or neither")
            .with(&[present]);
    }

    fn ciphers(&mut self, version: &str) {
        let flag = "tls-cipher-suites";
        let suites = self.list(flag);
        for suite in suites.iter().filter(|suite| !CIPHERS.contains(&suite.as_str())) {
            let near = crate::nearest::nearest_of(
                &suite.trim().to_ascii_uppercase(),
                CIPHERS.iter().copied(),
            );
            let help = near.map_or_else(
                || "remove the cipher suite; `kube-controller-manager --help` lists the supported names".to_owned(),
                |near| format!("did you mean `{near}`?"),
            );
            let problem = format!("`{suite}` is not a known cipher suite");
            let is_known_version = self.version.is_known();
            let lint = self.lint(LintCode::BadValue, flag, problem, help);
            if !is_known_version {
                lint.warning();
            }
            lint.about(suite);
        }
        let has_required = suites.iter().any(|suite| HTTP2_CIPHERS.contains(&suite.as_str()));
        let speaks_http2 = !(self.is_from(31) && self.is_on("disable-http2-serving", false));
        if !suites.is_empty() && !has_required && version != "VersionTLS13" && speaks_http2 {
            let problem = "the list lacks a cipher suite that HTTP/2 requires";
            let help = format!("add {} or {}", HTTP2_CIPHERS[0], HTTP2_CIPHERS[1]);
            self.lint(LintCode::TlsHttp2, flag, problem, help)
                .with(&["tls-min-version", "disable-http2-serving"]);
        }
    }

    fn curves(&mut self) {
        let flag = "tls-curve-preferences";
        let Some(text) = self.flags.get(flag) else { return };
        let curves: Option<Vec<_>> = text.split(',').map(|item| integer(item, 32)).collect();
        let curves = curves.unwrap_or_default();
        for (place, curve) in curves.iter().enumerate() {
            if !CURVES.contains(curve) {
                let help = "write 23 (P-256), 24 (P-384), 25 (P-521), 29 (X25519) or 4588 (X25519MLKEM768)";
                self.bad(flag, &curve.to_string(), help);
            } else if curves.iter().take(place).any(|earlier| earlier == curve) {
                let problem = format!("curve {curve} is listed twice");
                let lint = self.lint(LintCode::BadValue, flag, problem, "remove the duplicate");
                lint.about(&curve.to_string());
            }
        }
    }

    fn uid_headers(&mut self) {
        let flag = "requestheader-uid-headers";
        let headers = self.list(flag);
        if headers.is_empty() {
            return;
        }
        if !headers.iter().any(|header| header.eq_ignore_ascii_case("X-Remote-Uid")) {
            let problem = "the list lacks the standard header X-Remote-Uid";
            self.lint(LintCode::UidHeaders, flag, problem, "add X-Remote-Uid").about("header");
        }
        if self.gates.is_on("RemoteRequestHeaderUID") == Some(false) {
            let problem = "the flag requires the feature gate RemoteRequestHeaderUID, which is off";
            let help = "remove the flag, or set `RemoteRequestHeaderUID=true` in `--feature-gates`";
            let lint = self.lint(LintCode::UidHeaders, flag, problem, help);
            lint.with(&["feature-gates"]).about("gate");
        }
    }
}

/// Reports whether a text names a certificate and a key, optionally with host names after a colon.
/// Several pairs, from repeated flags, are not checked.
fn is_certificate_and_key(text: &str) -> bool {
    let (pair, names) =
        text.split_once(':').map_or((text, None), |(pair, names)| (pair, Some(names)));
    let files = pair.split(',').count();
    (files == 2 && names.is_none_or(|names| !names.trim().is_empty())) || files > 3
}
