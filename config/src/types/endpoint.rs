//! Addresses: where to listen, and where to send.

use std::fmt;
use std::net::IpAddr;

/// How a listener is reached, the key `transport`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP over IPv4 or IPv6.
    #[default]
    Tcp,
    /// TCP over IPv4.
    Tcp4,
    /// TCP over IPv6.
    Tcp6,
    /// A unix socket; the endpoint is its path.
    Unix,
}

impl Transport {
    /// The host that stands for `host` where only one version of IP is wanted; `None` when it is an
    /// address of the other. Names that have to be resolved stay as they are.
    fn host(self, host: String) -> Option<String> {
        let address = host.parse::<IpAddr>().ok();
        match (self, host.as_str()) {
            (Self::Tcp4, "") => Some("0.0.0.0".to_owned()),
            (Self::Tcp4, "localhost") => Some("127.0.0.1".to_owned()),
            (Self::Tcp6, "") => Some("::".to_owned()),
            (Self::Tcp6, "localhost") => Some("::1".to_owned()),
            (Self::Tcp4, _) if address.is_some_and(|address| address.is_ipv6()) => None,
            (Self::Tcp6, _) if address.is_some_and(|address| address.is_ipv4()) => None,
            _ => Some(host),
        }
    }
}

/// Where a server listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// A host (empty for all addresses) and a port.
    Tcp {
        /// Name or address; empty for all.
        host: String,
        /// 0 lets the system choose.
        port: u16,
    },
    /// A unix socket's path.
    Unix(std::path::PathBuf),
}

impl ListenAddress {
    /// Reads `host:port`, or a path for [`Transport::Unix`].
    pub fn parse(endpoint: &str, transport: Transport) -> Result<Self, String> {
        if transport == Transport::Unix {
            let path = endpoint.strip_prefix("unix://").unwrap_or(endpoint);
            if path.is_empty() {
                return Err("a unix socket needs a path as its endpoint".to_owned());
            }
            return Ok(Self::Unix(path.into()));
        }
        if let Some(path) = endpoint.strip_prefix("unix://") {
            return Ok(Self::Unix(path.into()));
        }
        let (host, port) = split_host_port(endpoint)?;
        let host = transport.host(host).ok_or_else(|| {
            let transport = format!("{transport:?}").to_ascii_lowercase();
            format!("address {endpoint}: no suitable address for the transport {transport}")
        })?;
        Ok(Self::Tcp { host, port })
    }

    /// Whether it is reached from this machine only.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Unix(_) => true,
            Self::Tcp { host, .. } => is_loopback(host),
        }
    }

    /// Whether both cannot be bound at once: the same port, and hosts that overlap.
    pub fn conflicts_with(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Unix(one), Self::Unix(two)) => one == two,
            (Self::Tcp { host: one, port: first }, Self::Tcp { host: two, port: second }) => {
                first == second && *first != 0 && hosts_overlap(one, two)
            }
            _ => false,
        }
    }
}

/// Whether a host, without brackets, is this machine by its name or address.
pub fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

fn hosts_overlap(one: &str, two: &str) -> bool {
    let is_any = |host: &str| matches!(host, "" | "0.0.0.0" | "::");
    let canonical = |host: &str| {
        if host == "localhost" { "127.0.0.1".to_owned() } else { host.to_ascii_lowercase() }
    };
    is_any(one) || is_any(two) || canonical(one) == canonical(two)
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp { host, port } if host.contains(':') => write!(formatter, "[{host}]:{port}"),
            Self::Tcp { host, port } => write!(formatter, "{host}:{port}"),
        }
    }
}

/// `host:port`, `:port`, `[v6]:port`.
pub(crate) fn split_host_port(text: &str) -> Result<(String, u16), String> {
    if text.is_empty() {
        return Err("the endpoint must not be empty (host:port)".to_owned());
    }
    if text.contains("://") {
        return Err(format!("\"{text}\" has a scheme; an address to listen on is host:port"));
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => match text.rsplit_once(':') {
            Some((host, _)) if host.contains(':') => {
                return Err(format!("address {text}: too many colons in address (write [v6]:port)"));
            }
            Some((host, port)) => (host, Some(port)),
            None => (text, None),
        },
    };
    let Some(port) = port else {
        return Err(format!("address {text}: missing port in address"));
    };
    let is_number = port.bytes().all(|byte| byte.is_ascii_digit());
    check_host(host)?;
    match port.parse::<u16>() {
        Ok(number) if is_number => Ok((host.to_owned(), number)),
        _ => Err(format!("address {text}: invalid port \"{port}\" (a number from 0 to 65535)")),
    }
}

/// What no name and no address has, so that a slip of the pen is told before a resolver is asked.
fn check_host(host: &str) -> Result<(), String> {
    let is_wrong =
        |letter: char| letter.is_whitespace() || letter.is_control() || "\"<>\\^`{|}".contains(letter);
    match host.chars().find(|letter| is_wrong(*letter)) {
        Some(letter) => Err(format!("invalid character {letter:?} in host name")),
        None => Ok(()),
    }
}

/// Where a client sends: scheme, host, port and path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientUrl {
    /// `http` or `https`.
    pub scheme: Option<String>,
    /// Host or address, brackets removed.
    pub host: String,
    /// The port, if one is written.
    pub port: Option<u16>,
    /// Path and query, with the leading slash; empty when there is none.
    pub path: String,
    /// What stands before an `@`, which is a secret.
    pub userinfo: Option<super::Secret>,
}

impl ClientUrl {
    /// Reads `http://host:port/path`; the scheme may be missing.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
            None => (None, text),
        };
        if let Some(scheme) = scheme.as_deref().filter(|scheme| !matches!(*scheme, "http" | "https")) {
            return Err(format!("unsupported scheme \"{scheme}\" (http, https)"));
        }
        let (authority, path) = match rest.find(['/', '?']) {
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        let (userinfo, authority) = match authority.rsplit_once('@') {
            Some((userinfo, authority)) => (Some(super::Secret::new(userinfo)), authority),
            None => (None, authority),
        };
        let (host, port) = split_authority(authority).map_err(|error| {
            // Then what was taken for the address is the start of a password; it is not quoted.
            let is_cut_password = userinfo.is_none() && path.contains('@');
            if is_cut_password { "a / or ? in a password is written %2F or %3F".to_owned() } else { error }
        })?;
        if host.is_empty() {
            return Err("the endpoint names no host".to_owned());
        }
        let path = if path.starts_with('?') { format!("/{path}") } else { path.to_owned() };
        Ok(Self { scheme, host, port, path, userinfo })
    }

    /// Host and port as a `Host` header has them.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() };
        match self.port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }
    }
}

fn split_authority(authority: &str) -> Result<(String, Option<u16>), String> {
    let has_port = match authority.rfind(']') {
        Some(bracket) => authority[bracket..].contains(':'),
        None => authority.contains(':'),
    };
    if has_port {
        let (host, port) = split_host_port(authority)?;
        if port == 0 {
            return Err(format!("address {authority}: port 0 cannot be sent to"));
        }
        return Ok((host, Some(port)));
    }
    let host = authority.trim_matches(['[', ']']);
    check_host(host)?;
    Ok((host.to_owned(), None))
}
