//! The key `headers` and the `User-Agent` of requests.

use http::header::{HeaderName, HeaderValue};
use http::{HeaderMap, header};
use spindle_config::types::Headers;
use spindle_pipeline::component::BuildContext;
use spindle_pipeline::error::BuildError;

/// Headers that say how a message is framed. Whoever set them would break it.
const FRAMING: [HeaderName; 4] =
    [header::CONTENT_LENGTH, header::TRANSFER_ENCODING, header::CONNECTION, header::CONTENT_ENCODING];

/// The headers of the key `headers`. Their values are marked as secret, so that no log of a library shows
/// them. `reserved` are those that the protocol of the exporter does not leave to users.
pub fn from_keys(keys: &Headers, reserved: &[HeaderName]) -> Result<HeaderMap, BuildError> {
    let mut headers = HeaderMap::new();
    for (name, value) in keys.iter() {
        let key = format!("headers::{name}");
        let name = HeaderName::try_from(name.to_ascii_lowercase())
            .map_err(|_| BuildError::new(&key, format!("\"{name}\" cannot be a header's name")))?;
        if reserved.contains(&name) || FRAMING.contains(&name) {
            let message = format!("the header {name} belongs to the protocol and cannot be set");
            return Err(BuildError::new(&key, message));
        }
        let mut value = HeaderValue::try_from(value.expose())
            .map_err(|_| BuildError::new(&key, "this value cannot stand in a header"))?;
        value.set_sensitive(true);
        headers.insert(name, value);
    }
    Ok(headers)
}

/// `name/version (os/architecture)`, as the Collector writes it.
pub fn user_agent(context: &BuildContext) -> String {
    let build = context.build;
    format!("{}/{} ({}/{})", build.name, build.version, std::env::consts::OS, std::env::consts::ARCH)
}
