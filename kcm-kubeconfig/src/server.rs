//! The URL of an API server.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// The URL of an API server, `https://host[:port][/path]`, kept verbatim.
///
/// Reference: <https://www.rfc-editor.org/rfc/rfc3986#section-3>
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ServerUrl {
    text: String,
    host: String,
    port: u16,
}

impl ServerUrl {
    /// Port of a URL without a port.
    pub const DEFAULT_PORT: u16 = 443;

    /// Parses a URL.
    ///
    /// # Errors
    /// A [`ServerUrlError`] for the invalid part.
    pub fn parse(text: &str) -> Result<Self, ServerUrlError> {
        let (host, port) = split(text)?;
        Ok(Self {
            host: host.to_owned(),
            port: port.unwrap_or(Self::DEFAULT_PORT),
            text: text.to_owned(),
        })
    }

    /// Returns the URL as given.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Returns the host: a DNS name or an IP address; IPv6 addresses are without brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Returns the TCP port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl FromStr for ServerUrl {
    type Err = ServerUrlError;

    fn from_str(text: &str) -> Result<Self, ServerUrlError> {
        Self::parse(text)
    }
}

impl fmt::Display for ServerUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A text that is not the URL of an API server.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ServerUrlError {
    /// The scheme is missing or is not `https`, so that credentials would be sent unencrypted.
    #[error("the server URL must begin with https://")]
    NotHttps,
    /// The host is missing.
    #[error("the server URL has no host")]
    NoHost,
    /// The host is not a valid name or address.
    #[error(
        "the host of the server URL is neither a DNS name, an IPv4 address nor an IPv6 address in brackets"
    )]
    Host,
    /// The port is not a number from 1 to 65535.
    #[error("the port of the server URL is not a number from 1 to 65535")]
    Port,
    /// The URL contains a user name or a password, which Kubernetes clients would send to the
    /// server.
    #[error("the server URL must not contain a user name or password")]
    UserInfo,
    /// The URL contains a query or a fragment, which Kubernetes clients do not support.
    #[error("the server URL must not contain `?` or `#`")]
    QueryOrFragment,
    /// The URL contains a blank, a control character or another invalid character.
    #[error("the server URL contains a character that is not allowed in URLs")]
    Character,
}

/// Returns host and port of `https://host[:port][/path]`.
fn split(url: &str) -> Result<(&str, Option<u16>), ServerUrlError> {
    let rest = match url.split_at_checked("https://".len()) {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https://") => rest,
        _ => return Err(ServerUrlError::NotHttps),
    };
    if rest.contains(['?', '#']) {
        return Err(ServerUrlError::QueryOrFragment);
    }
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    if authority.contains('@') {
        return Err(ServerUrlError::UserInfo);
    }
    let unfit = |c: char| !c.is_ascii_graphic() || "\"<>\\^`{|}".contains(c);
    if rest.contains(unfit) || path.contains(['[', ']']) {
        return Err(ServerUrlError::Character);
    }
    split_authority(authority)
}

fn split_authority(authority: &str) -> Result<(&str, Option<u16>), ServerUrlError> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, after) = rest.split_once(']').ok_or(ServerUrlError::Host)?;
        host.parse::<Ipv6Addr>().map_err(|_| ServerUrlError::Host)?;
        match after.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if after.is_empty() => (host, None),
            None => return Err(ServerUrlError::Host),
        }
    } else {
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        if host.is_empty() {
            return Err(ServerUrlError::NoHost);
        }
        if !host.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_')) {
            return Err(ServerUrlError::Host);
        }
        (host, port)
    };
    let digits = |port: &&str| port.bytes().all(|b| b.is_ascii_digit());
    let number = |port: &str| {
        let number =
            Some(port).filter(digits).and_then(|port| port.parse().ok()).filter(|port| *port > 0);
        number.ok_or(ServerUrlError::Port)
    };
    Ok((host, port.map(number).transpose()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_api_servers_pass() {
        for url in [
            "https://192.168.1.210:6443",
            "https://k8s.example.com",
            "https://k8s.example.com/clusters/a",
            "https://[fd00::1]:6443",
            "https://[::1]",
            "HTTPS://host",
        ] {
            assert_eq!(ServerUrl::parse(url).unwrap().as_str(), url);
        }
    }

    #[test]
    fn everything_else_is_refused_by_its_reason() {
        use ServerUrlError::{Character, Host, NoHost, NotHttps, Port, QueryOrFragment, UserInfo};
        for (url, error) in [
            ("", NotHttps),
            ("http://a", NotHttps),
            ("192.168.1.210:6443", NotHttps),
            ("https://", NoHost),
            ("https://:6443", NoHost),
            ("https:///path", NoHost),
            ("https://user:password@host", UserInfo),
            ("https://host:0", Port),
            ("https://host:", Port),
            ("https://host:65536", Port),
            ("https://host:+1", Port),
            ("https://fd00::1", Port),
            ("https://[fd00::1", Host),
            ("https://[fe80::1%25eth0]", Host),
            ("https://[::1]x", Host),
            ("https://a,b", Host),
            ("https://host?x=y", QueryOrFragment),
            ("https://host/#x", QueryOrFragment),
            ("https://ho st", Character),
            ("https://host\n", Character),
            ("https://h\u{f6}st", Character),
        ] {
            assert_eq!(ServerUrl::parse(url), Err(error), "{url}");
        }
    }

    #[test]
    fn host_and_port_are_what_a_connection_needs() {
        for (url, host, port) in [
            ("https://192.168.1.210:6443", "192.168.1.210", 6443),
            ("https://[fd00::1]:6443/x", "fd00::1", 6443),
            ("https://k8s.example.com/", "k8s.example.com", 443),
        ] {
            let url = ServerUrl::parse(url).unwrap();
            assert_eq!((url.host(), url.port()), (host, port));
        }
    }
}
