//! Checks during the setup of clients, certificates and the listener. The first problem is the
//! error.

use crate::standin::flags::Parsed;

/// Cipher suites by Go's names.
const SUITES: &[&str] = &[
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

/// Checks flags that need no client, and that the leader migration config is readable.
pub(super) fn check(flags: &Parsed) -> Result<(), String> {
    let list = |name: &str| flags.list(name).unwrap_or_default();
    for path in list("authorization-always-allow-paths") {
        if path.strip_suffix('*').unwrap_or(&path).contains('*') {
            return Err(format!("only trailing * allowed in {path:?}"));
        }
    }
    let rate = flags.text("kube-api-qps").and_then(|rate| rate.parse::<f64>().ok());
    if rate.unwrap_or(20.0) > 0.0 && flags.number("kube-api-burst").unwrap_or(30) <= 0 {
        return Err(
            "burst is required to be greater than 0 when RateLimiter is not set and QPS is \
                    set to greater than 0"
                .to_owned(),
        );
    }
    let version = flags.text("tls-min-version").unwrap_or_default();
    let known = ["", "VersionTLS10", "VersionTLS11", "VersionTLS12", "VersionTLS13"];
    if !known.contains(&version) {
        return Err(format!("unknown tls version {version:?}"));
    }
    if let Some(suite) = list("tls-cipher-suites").iter().find(|it| !SUITES.contains(&it.as_str()))
    {
        return Err(format!("Cipher suite {suite} not supported or doesn't exist"));
    }
    let mut curves: Vec<i64> = Vec::new();
    for curve in list("tls-curve-preferences").iter().flat_map(|text| text.parse()) {
        if !(1..=65535).contains(&curve) {
            return Err(format!("curve preference {curve} is out of range (must be 1-65535)"));
        }
        if ![23, 24, 25, 29, 4588].contains(&curve) {
            let why = "is not supported by the current Go version";
            return Err(format!("curve preference {curve} {why}"));
        }
        if curves.contains(&curve) {
            return Err(format!("duplicate curve preference {curve}"));
        }
        curves.push(curve);
    }
    migration(flags)
}

fn migration(flags: &Parsed) -> Result<(), String> {
    let path = flags.path("leader-migration-config");
    let Some(path) = path.filter(|_| flags.is_on("enable-leader-migration", false)) else {
        return Ok(());
    };
    let what = format!("unable to read leader migration configuration from \"{}\"", path.display());
    std::fs::read(&path)
        .map(drop)
        .map_err(|error| format!("{what}: open {}: {error}", path.display()))
}

/// Returns the error of `net/http` for cipher suites without one that HTTP/2 requires.
pub(super) fn no_http2(flags: &Parsed) -> Option<&'static str> {
    let suites = flags.list("tls-cipher-suites").filter(|suites| !suites.is_empty())?;
    let is_enough = |suite: &String| {
        suite.starts_with("TLS_ECDHE_") && suite.ends_with("_WITH_AES_128_GCM_SHA256")
    };
    let is_off = flags.is_on("disable-http2-serving", false)
        || flags.text("tls-min-version") == Some("VersionTLS13");
    (!is_off && !suites.iter().any(is_enough)).then_some(
        "http2: TLSConfig.CipherSuites is missing an HTTP/2-required AES_128_GCM_SHA256 cipher \
         (need at least one of TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 or \
         TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256)",
    )
}
