//! The key `headers` and the `User-Agent` of requests.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, header};
use spindle_config::Check;
use spindle_config::types::{Headers, Secret};
use spindle_pipeline::component::BuildContext;
use spindle_pipeline::error::BuildError;

/// Headers that say how a message is framed. Whoever set them would break it.
const FRAMING: [HeaderName; 3] = [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION];

/// Checks the key `headers`. A value for one of `protocol`, the headers in lower case that the exporter
/// writes itself, is ignored.
pub fn check_headers(keys: &Headers, protocol: &[&str], check: &mut Check<'_>) {
    for (name, value) in keys.iter() {
        let key = format!("headers::{name}");
        if is_one_of(name, protocol) {
            let text =
                format!("the header {name} belongs to the protocol; the value written here is ignored");
            check.warning(&key, text);
        } else if let Err(message) = header(name, value) {
            check.error(&key, message);
        }
    }
}

/// The headers of the key `headers` without those of `protocol`. Their values are marked as secret, so that
/// no log of a library shows them.
pub fn from_keys(keys: &Headers, protocol: &[&str]) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    for (name, value) in keys.iter().filter(|(name, _)| !is_one_of(name, protocol)) {
        let (header, value) =
            header(name, value).map_err(|message| BuildError::new(format!("headers::{name}"), message))?;
        headers.insert(header, value);
    }
    Ok(headers)
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| other.eq_ignore_ascii_case(name))
}

fn header(name: &str, value: &Secret) -> Result<(HeaderName, HeaderValue), String> {
    let header = HeaderName::try_from(name.to_ascii_lowercase())
        .map_err(|_| format!("\"{name}\" cannot be a header's name"))?;
    if FRAMING.contains(&header) {
        return Err(format!("the header {header} says how requests are framed and cannot be set"));
    }
    let mut value = HeaderValue::try_from(value.expose())
        .map_err(|_| "this value cannot stand in a header".to_owned())?;
    value.set_sensitive(true);
    Ok((header, value))
}

/// `name/version (os/architecture)`, as the Collector writes it.
pub fn user_agent(context: &BuildContext) -> String {
    let build = context.build;
    format!("{}/{} ({}/{})", build.name, build.version, std::env::consts::OS, std::env::consts::ARCH)
}
