//! Tokens that are good, and every way in which one is not.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use ring::hmac;
use serde_json::{Value, json};

use super::*;
use crate::roles::Role;
use jiff::Timestamp;
use std::time::Duration;
use synod_runtime::{Principal, PrincipalKind};
use tempfile::TempDir;

const NOW: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(NOW + seconds).unwrap()
}

fn limits() -> StoreLimits {
    let (valid, most) = (Duration::from_secs(600), Duration::from_secs(3_600));
    StoreLimits { tokens: 3, valid, most }
}

struct World {
    folder: TempDir,
    store: TokenStore,
    gate: TokenGate,
}

fn world() -> World {
    let folder = tempfile::tempdir().unwrap();
    let store = TokenStore::open(folder.path().join("security"), "here", limits()).unwrap();
    let gate = gate_of(&store, "n1");
    World { folder, store, gate }
}

fn gate_of(store: &TokenStore, node: &str) -> TokenGate {
    TokenGate::new(store, GateSettings { node: node.into(), skew: Duration::from_secs(30) })
}

fn ada() -> TokenRequest {
    TokenRequest {
        subject: "ada".into(),
        kind: PrincipalKind::User,
        roles: [Role::Approver].into_iter().collect(),
        groups: vec!["boss".into()],
        node: None,
        valid: None,
        not_before: None,
    }
}

fn encoded(value: &Value) -> String {
    BASE64.encode(value.to_string())
}

fn parts(token: &str) -> [&str; 3] {
    token.split('.').collect::<Vec<_>>().try_into().unwrap()
}

#[test]
fn a_token_says_who_comes_and_what_they_may_do() {
    let World { store, gate, folder: _folder } = world();
    let issued = store.issue(ada(), at(0)).unwrap();
    let session = gate.verify(&issued.token, at(1)).unwrap();
    assert_eq!(session.principal, Principal::user("ada"));
    assert_eq!((session.roles, session.token), (ada().roles, issued.record.id));
    assert_eq!(&*session.groups[0], "boss");
    assert_eq!(gate.verify(&issued.token, at(2)).unwrap(), session, "also from memory");
    assert_eq!(gate.left(&session, at(0)), Duration::from_secs(630));
}

#[test]
fn a_token_is_valid_from_its_begin_to_its_end_whatever_was_seen_before() {
    let World { store, gate, folder: _folder } = world();
    let request = TokenRequest { not_before: Some(at(100)), ..ada() };
    let token = store.issue(request, at(0)).unwrap().token;
    assert_eq!(gate.verify(&token, at(69)), Err(TokenRefusal::NotYet(at(100))));
    assert!(gate.verify(&token, at(70)).is_ok(), "clocks may differ by 30 s");
    assert!(gate.verify(&token, at(729)).is_ok());
    assert_eq!(gate.verify(&token, at(730)), Err(TokenRefusal::Expired(at(700))));
}

#[test]
fn a_token_for_another_audience_or_node_is_refused() {
    let World { store, gate, folder } = world();
    let there = TokenStore::open(folder.path().join("security"), "there", limits()).unwrap();
    let foreign = there.issue(ada(), at(0)).unwrap().token;
    assert_eq!(gate.verify(&foreign, at(0)), Err(TokenRefusal::Audience));
    let only = TokenRequest { node: Some("n2".into()), ..ada() };
    let bound = store.issue(only, at(0)).unwrap().token;
    assert_eq!(gate.verify(&bound, at(0)), Err(TokenRefusal::Node));
    assert!(gate_of(&store, "n2").verify(&bound, at(0)).is_ok());
}

#[test]
fn a_token_of_another_key_is_refused_before_anything_in_it_is_believed() {
    let (here, other) = (world(), world());
    let foreign = other.store.issue(ada(), at(-100_000)).unwrap().token;
    assert_eq!(here.gate.verify(&foreign, at(0)), Err(TokenRefusal::Signature));
}

#[test]
fn a_token_that_was_changed_is_refused() {
    let World { store, gate, folder: _folder } = world();
    let token = store.issue(ada(), at(0)).unwrap().token;
    let [header, claims, signature] = parts(&token);
    let mut said: Value = serde_json::from_slice(&BASE64.decode(claims).unwrap()).unwrap();
    said["roles"] = json!(["admin"]);
    let raised = format!("{header}.{}.{signature}", encoded(&said));
    assert_eq!(gate.verify(&raised, at(0)), Err(TokenRefusal::Signature));
    for cut in 1..token.len() {
        assert!(gate.verify(&token[..cut], at(0)).is_err(), "cut at {cut}");
    }
    let mut bytes = token.clone().into_bytes();
    for place in 0..bytes.len() {
        let was = bytes[place];
        bytes[place] = if was == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes.clone()).unwrap();
        // The last character of base64 has bits that mean nothing; decoders refuse them.
        assert!(gate.verify(&changed, at(0)).is_err(), "changed at {place}");
        bytes[place] = was;
    }
}

#[test]
fn the_token_does_not_choose_its_algorithm() {
    let World { store, gate, folder: _folder } = world();
    let token = store.issue(ada(), at(0)).unwrap().token;
    let [_, claims, signature] = parts(&token);
    for algorithm in ["none", "None", "nOnE", "EdDSA2", ""] {
        let header = encoded(&json!({"typ": "JWT", "alg": algorithm}));
        for signature in ["", signature] {
            let forged = format!("{header}.{claims}.{signature}");
            assert_eq!(gate.verify(&forged, at(0)), Err(TokenRefusal::Malformed), "{algorithm}");
        }
    }
    for algorithm in ["HS256", "HS512", "RS256", "ES256", "PS512"] {
        let header = encoded(&json!({"typ": "JWT", "alg": algorithm}));
        let forged = format!("{header}.{claims}.{signature}");
        assert_eq!(gate.verify(&forged, at(0)), Err(TokenRefusal::Algorithm), "{algorithm}");
    }
}

#[test]
fn the_public_key_is_no_secret_that_a_token_could_be_made_with() {
    let World { store, gate, folder } = world();
    let token = store.issue(ada(), at(0)).unwrap().token;
    let [_, claims, _] = parts(&token);
    let pem = std::fs::read_to_string(folder.path().join("security/token.key")).unwrap();
    let pair = rcgen::KeyPair::from_pem(&pem).unwrap();
    let public = pair.public_key_raw().to_vec();
    for secret in [public, pair.public_key_pem().into_bytes()] {
        let message = format!("{}.{claims}", encoded(&json!({"typ": "JWT", "alg": "HS256"})));
        let key = hmac::Key::new(hmac::HMAC_SHA256, &secret);
        let signature = BASE64.encode(hmac::sign(&key, message.as_bytes()));
        let forged = format!("{message}.{signature}");
        assert_eq!(gate.verify(&forged, at(0)), Err(TokenRefusal::Algorithm));
    }
}

#[test]
fn what_is_no_token_is_refused() {
    let World { gate, folder: _folder, .. } = world();
    let long = "x".repeat(1 << 20);
    for wrong in ["", ".", "..", "...", "a.b.c", "Bearer", "é.é.é", &long] {
        assert_eq!(gate.verify(wrong, at(0)), Err(TokenRefusal::Malformed), "{wrong:.20}");
    }
}

#[test]
fn a_token_that_was_taken_back_is_refused_from_then_on() {
    let World { store, gate, folder: _folder } = world();
    let issued = store.issue(ada(), at(0)).unwrap();
    assert!(gate.verify(&issued.token, at(1)).is_ok());
    let revoked = store.revoke(issued.record.id, at(2)).unwrap();
    assert_eq!(revoked.revoked_at, Some(at(2)));
    assert_eq!(store.revoke(issued.record.id, at(3)).unwrap().revoked_at, Some(at(2)));
    gate.publish(&store.book().unwrap());
    assert_eq!(gate.verify(&issued.token, at(3)), Err(TokenRefusal::Revoked));
    let unknown = store.revoke(uuid::Uuid::nil(), at(3)).unwrap_err();
    assert!(matches!(unknown, TokenError::Unknown(_)), "{unknown}");
}

#[test]
fn the_folder_outlives_its_process_and_is_shared() {
    let World { store, gate, folder } = world();
    let again = TokenStore::open(folder.path().join("security"), "here", limits()).unwrap();
    let issued = again.issue(ada(), at(0)).unwrap();
    assert!(gate.verify(&issued.token, at(0)).is_ok(), "the key is the same");
    assert_eq!(store.book().unwrap().records(), [issued.record]);
    let text = std::fs::read_to_string(folder.path().join("security/tokens.json")).unwrap();
    assert!(!text.contains(&issued.token), "the token itself is not kept");
}

#[test]
fn the_list_is_bounded_and_forgets_what_has_expired() {
    let World { store, folder: _folder, .. } = world();
    for _ in 0..3 {
        store.issue(ada(), at(0)).unwrap();
    }
    let full = store.issue(ada(), at(0)).unwrap_err();
    assert!(full.to_string().contains("security.max_tokens"), "{full}");
    store.issue(ada(), at(600 + 3_601)).unwrap();
    assert_eq!(store.book().unwrap().len(), 1);
}

#[test]
fn a_wrong_request_is_refused_with_its_field() {
    let World { store, folder: _folder, .. } = world();
    let none = TokenRequest { roles: crate::roles::Roles::default(), ..ada() };
    let long = TokenRequest { valid: Some(Duration::from_secs(3_601)), ..ada() };
    let never = TokenRequest { valid: Some(Duration::ZERO), ..ada() };
    let node = TokenRequest { kind: PrincipalKind::Node, ..ada() };
    let blank = TokenRequest { subject: " ada".into(), ..ada() };
    let group = TokenRequest { groups: vec!["a\nb".into()], ..ada() };
    let wrong = [
        (none, "roles"),
        (long, "valid_s"),
        (never, "valid_s"),
        (node, "kind"),
        (blank, "subject"),
        (group, "groups"),
    ];
    for (request, field) in wrong {
        let TokenError::Request(fault) = store.issue(request, at(0)).unwrap_err() else {
            panic!("{field}")
        };
        assert_eq!(fault.field, field);
    }
    assert!(store.book().unwrap().is_empty());
}

#[test]
fn a_damaged_list_or_key_is_told_and_not_replaced() {
    let World { store, folder, .. } = world();
    let list = folder.path().join("security/tokens.json");
    std::fs::write(&list, "{").unwrap();
    let refused = store.issue(ada(), at(0)).unwrap_err().to_string();
    assert!(refused.contains("tokens.json") && refused.contains("expected"), "{refused}");
    assert_eq!(std::fs::read_to_string(&list).unwrap(), "{");
    std::fs::write(folder.path().join("security/token.key"), "no key").unwrap();
    let refused = TokenStore::open(folder.path().join("security"), "here", limits()).unwrap_err();
    assert!(refused.to_string().contains("Ed25519"), "{refused}");
}
