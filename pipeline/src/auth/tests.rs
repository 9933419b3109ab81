use super::*;

struct Signs;

impl ClientAuthenticator for Signs {
    fn authenticate(&self, headers: &mut HeaderMap, _: Option<&RequestContext>) -> Result<(), ExportError> {
        headers.insert("x-signed", HeaderValue::from_static("yes"));
        Ok(())
    }
}

/// A component gets what it names, nothing when it names nothing, and an error at its own key for a role that
/// is not offered.
#[test]
fn components_find_authenticators_by_name_and_role() {
    let mut all = Authenticators::default();
    let id: ComponentId = "signer/a".parse().expect("an id");
    all.add(id, Offered { client: Some(Arc::new(Signs)), server: None });
    assert!(all.client("", Some("signer/a")).expect("found").is_some());
    assert!(all.client("", None).expect("nothing asked").is_none());
    for (name, key) in [("signer/a", "protocols::grpc::"), ("signer/b", "protocols::grpc::")] {
        let error = all.server(key, Some(name)).err().expect("not offered");
        assert_eq!(error.key, "protocols::grpc::auth::authenticator");
        assert!(error.to_string().contains(name), "{error}");
    }
}

/// A fingerprint knows its own secret and no other, prefixes and the empty one included.
#[test]
fn fingerprints_know_their_secret_only() {
    let maker = Fingerprinter::new().expect("random numbers");
    let secrets = ["a", "b", "hunter2"].map(|secret| maker.of(secret.as_bytes()));
    for (candidate, known) in [("a", true), ("hunter2", true), ("hunter", false), ("", false), ("A", false)] {
        assert_eq!(maker.is_any(&secrets, candidate.as_bytes()), known, "{candidate}");
    }
    let other = Fingerprinter::new().expect("random numbers");
    assert!(!other.is(&secrets[0], b"a"), "each maker has a key of its own");
    assert_eq!(format!("{:?}", secrets[0]), "Fingerprint");
}
