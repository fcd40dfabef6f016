mod dns;
mod punycode;

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// One subject alternative name, whose type follows from its syntax, as in an entry of cfssl's
/// `hosts`.
///
/// cfssl takes any other text for a DNS name, even with a port or blanks. This type rejects invalid
/// names, so that a typing error does not result in a certificate that matches no host.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Host {
    /// A DNS name as written; `*` is allowed as the whole first label.
    Dns(String),
    /// An e-mail address, `local@domain`.
    Email(String),
    /// An IP address; an IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) becomes an IPv4 address.
    Ip(IpAddr),
    /// A URI with a scheme and a host, such as a SPIFFE ID.
    Uri(String),
}

/// An entry of `hosts` that is not a DNS name, IP address, e-mail address or URI.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{entry:?} is not a host name, IP address, e-mail address or URI: {problem}")]
#[non_exhaustive]
pub struct HostError {
    /// Entry as given.
    pub entry: String,
    /// The error of the entry.
    pub problem: HostProblem,
}

/// The error of an entry of `hosts`, with its fix.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HostProblem {
    /// The entry is empty.
    #[error("the entry is empty; remove the entry")]
    Empty,
    /// The entry contains a blank, a line break or another control character.
    #[error("the entry contains white space or a control character; remove the character")]
    Blank,
    /// The entry is an address or name followed by a port.
    #[error("the entry ends with a port; write `{host}`")]
    Port {
        /// Entry without the port.
        host: String,
    },
    /// The entry is an IPv6 address in brackets.
    #[error("the IPv6 address is in brackets; write `{address}`")]
    Brackets {
        /// The address.
        address: IpAddr,
    },
    /// The entry is a network instead of an address.
    #[error("the entry is a CIDR block; write a single IP address")]
    Network,
    /// The entry is an internationalised name; certificates hold its ASCII form (RFC 5280 section
    /// 7.2).
    #[error("the name is not ASCII{}", a_label.as_ref().map(|name| format!("; write `{name}`")).unwrap_or_default())]
    NotAscii {
        /// Lowercased name with each non-ASCII label as an A-label (RFC 5890), if it can be
        /// computed.
        a_label: Option<String>,
    },
    /// The name ends with a dot.
    #[error("the name ends with a dot; write `{name}`")]
    FinalDot {
        /// Name without the dot.
        name: String,
    },
    /// The entry has a wildcard that is not the whole first label (RFC 6125 section 6.4.3).
    #[error("`*` is allowed only as the whole first label of at least two, as in `*.example.com`")]
    Wildcard,
    /// The last label is a number, so that the name looks like an address without being one.
    #[error("the last label is a number, but the entry is not an IP address")]
    NumericTopLabel,
    /// A label is empty, too long, has other characters, or starts or ends with a hyphen.
    #[error(
        "a label must be 1 to 63 letters, digits, `-` and `_`, without `-` at either end; correct {label:?}"
    )]
    Label {
        /// The label.
        label: String,
    },
    /// The name has more than 253 characters (RFC 1035 section 2.3.4).
    #[error("the name has {length} characters; the maximum for a DNS name is 253")]
    TooLong {
        /// Length in characters.
        length: usize,
    },
    /// The entry contains `@` but is not a plain e-mail address.
    #[error(
        "the e-mail address is not valid; write `local@domain`, without a display name or quotes"
    )]
    Email,
    /// The entry contains `://` but is not a URI with a host.
    #[error("the URI is not valid; write `scheme://host/path` in ASCII")]
    Uri,
}

impl FromStr for Host {
    type Err = HostError;

    fn from_str(entry: &str) -> Result<Self, Self::Err> {
        parse(entry).map_err(|problem| HostError { entry: entry.to_owned(), problem })
    }
}

fn parse(entry: &str) -> Result<Host, HostProblem> {
    if entry.is_empty() {
        return Err(HostProblem::Empty);
    }
    if let Ok(address) = entry.parse::<IpAddr>() {
        return Ok(Host::Ip(address.to_canonical()));
    }
    if entry.chars().any(|c| c.is_whitespace() || c.is_control()) {
        return Err(HostProblem::Blank);
    }
    if entry.contains("://") {
        return is_uri(entry).then(|| Host::Uri(entry.to_owned())).ok_or(HostProblem::Uri);
    }
    if entry.contains('@') {
        return is_email(entry).then(|| Host::Email(entry.to_owned())).ok_or(HostProblem::Email);
    }
    if let Some(problem) = address_problem(entry) {
        return Err(problem);
    }
    dns::check(entry, dns::Wildcard::Allowed)?;
    Ok(Host::Dns(entry.to_owned()))
}

/// Recognises common additions to an address or name: brackets, a port, a prefix length.
fn address_problem(entry: &str) -> Option<HostProblem> {
    let unbracketed =
        |text: &str| text.strip_prefix('[')?.strip_suffix(']')?.parse::<Ipv6Addr>().ok();
    if let Some(address) = unbracketed(entry) {
        return Some(HostProblem::Brackets { address: address.into() });
    }
    if let Some((host, port)) = entry.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|b| b.is_ascii_digit())
    {
        if let Some(address) = unbracketed(host) {
            return Some(HostProblem::Port { host: address.to_string() });
        }
        if !host.is_empty() && !host.contains(':') {
            return Some(HostProblem::Port { host: host.to_owned() });
        }
    }
    let (address, prefix) = entry.split_once('/')?;
    (address.parse::<IpAddr>().is_ok() && prefix.parse::<u8>().is_ok())
        .then_some(HostProblem::Network)
}

/// Checks `scheme "://" [userinfo "@"] host [":" port] rest`; RFC 5280 section 4.2.1.6 requires the
/// host to be a full name or an address.
fn is_uri(entry: &str) -> bool {
    let Some((scheme, rest)) = entry.split_once("://") else {
        return false;
    };
    let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.bytes().all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b));
    let characters_ok = rest.bytes().all(|b| b.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&b));
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    scheme_ok && characters_ok && is_uri_host(host)
}

/// Checks `host [":" port]`; an IPv6 address must be in brackets (RFC 3986 section 3.2.2).
fn is_uri_host(text: &str) -> bool {
    if let Some((address, port)) = text.strip_prefix('[').and_then(|text| text.split_once(']')) {
        return address.parse::<Ipv6Addr>().is_ok() && is_port(port);
    }
    let (name, port) = text.find(':').map_or((text, ""), |colon| text.split_at(colon));
    let is_address = || name.parse::<Ipv4Addr>().is_ok();
    is_port(port) && (is_address() || dns::check(name, dns::Wildcard::Refused).is_ok())
}

/// Checks an optional port: empty, or a colon and a port number.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

/// Checks a `Mailbox` whose local part is a dot-string (RFC 5321 section 4.1.2).
fn is_email(entry: &str) -> bool {
    let Some((local, domain)) = entry.split_once('@') else {
        return false;
    };
    let is_atom = |atom: &str| {
        !atom.is_empty()
            && atom
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b))
    };
    local.len() <= 64
        && local.split('.').all(is_atom)
        && dns::check(domain, dns::Wildcard::Refused).is_ok()
}

impl fmt::Display for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(text) | Self::Email(text) | Self::Uri(text) => f.write_str(text),
            Self::Ip(address) => address.fmt(f),
        }
    }
}

/// The subject alternative names of a certificate, in cfssl's order.
///
/// DNS names come first, then e-mail addresses, IP addresses and URIs. Names of the same kind keep
/// the order of the list, and duplicates are kept.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hosts(Vec<Host>);

impl Hosts {
    /// Reads a list of entries.
    ///
    /// # Errors
    /// [`HostError`] for the first entry that is not valid.
    pub fn parse<'a>(entries: impl IntoIterator<Item = &'a str>) -> Result<Self, HostError> {
        entries.into_iter().map(str::parse).collect()
    }

    /// Returns the names in order.
    pub fn iter(&self) -> impl Iterator<Item = &Host> {
        self.0.iter()
    }

    /// Returns the number of names.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns `true` if the list is empty, so that a certificate gets no subjectAltName extension.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns `true` if `host` is one of the names; DNS names are compared case-insensitively.
    #[must_use]
    pub fn contains(&self, host: &Host) -> bool {
        self.iter().any(|own| match (own, host) {
            (Host::Dns(own), Host::Dns(other)) => own.eq_ignore_ascii_case(other),
            (own, other) => own == other,
        })
    }
}

impl FromIterator<Host> for Hosts {
    fn from_iter<I: IntoIterator<Item = Host>>(hosts: I) -> Self {
        let mut hosts: Vec<_> = hosts.into_iter().collect();
        hosts.sort_by_key(|host| match host {
            Host::Dns(_) => 0,
            Host::Email(_) => 1,
            Host::Ip(_) => 2,
            Host::Uri(_) => 3,
        });
        Self(hosts)
    }
}

#[cfg(test)]
mod tests;
