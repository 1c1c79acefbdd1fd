//! Handshakes in memory: who is let in, who is not, and what both ends say about it.

use std::path::Path;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use rustls::{ClientConnection, Connection, ServerConnection};
use tempfile::TempDir;

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

fn authority(cluster: &str) -> (TempDir, Authority) {
    let folder = tempfile::tempdir().unwrap();
    let made = Authority::init(folder.path(), cluster, 365 * DAY, Timestamp::now()).unwrap();
    (folder, made)
}

fn request(name: &str, valid: Duration) -> NodeRequest {
    NodeRequest {
        name: name.into(),
        addresses: vec!["127.0.0.1".into(), "n.example".into()],
        valid,
    }
}

/// Files of a node whose certificate was issued `ago` and is valid for a day.
fn node(authority: &Authority, name: &str, ago: Duration) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let then = Timestamp::now() - SignedDuration::try_from(ago).unwrap();
    authority.issue(&request(name, DAY), then).unwrap().write(folder.path()).unwrap();
    folder
}

fn tls(folder: &Path, at: Timestamp) -> NodeTls {
    NodeTls::load(folder, at).unwrap()
}

/// Passes bytes until both ends are done; what either end says when it fails.
fn shake(client: &NodeTls, server: &NodeTls) -> Result<(String, String), [String; 2]> {
    let mut one =
        Connection::Client(ClientConnection::new(client.client(), NodeTls::server_name()).unwrap());
    let mut other = Connection::Server(ServerConnection::new(server.server()).unwrap());
    let mut told = [String::new(), String::new()];
    for _ in 0..10 {
        pass(&mut one, &mut other, &mut told[1]);
        pass(&mut other, &mut one, &mut told[0]);
    }
    if told.iter().any(|why| !why.is_empty()) {
        return Err(told);
    }
    assert!(!one.is_handshaking() && !other.is_handshaking());
    let seen = |end: &Connection| peer_name(end.peer_certificates().unwrap()).unwrap();
    Ok((seen(&one), seen(&other)))
}

fn pass(from: &mut Connection, to: &mut Connection, told: &mut String) {
    let mut bytes = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut bytes).unwrap();
    }
    let mut bytes = &bytes[..];
    while !bytes.is_empty() && told.is_empty() {
        to.read_tls(&mut bytes).unwrap();
        if let Err(why) = to.process_new_packets() {
            *told = explain(&why);
        }
    }
}

#[test]
fn two_nodes_of_a_cluster_know_each_other_by_name() {
    let (_folder, authority) = authority("prod");
    let (a, b) = (node(&authority, "a", Duration::ZERO), node(&authority, "b", Duration::ZERO));
    let (a, b) = (tls(a.path(), Timestamp::now()), tls(b.path(), Timestamp::now()));
    assert_eq!(a.identity().to_string(), "synod://prod/a");
    assert_eq!(shake(&a, &b), Ok(("b".into(), "a".into())));
}

#[test]
fn an_expired_certificate_is_refused_by_either_end_and_said_so() {
    let (_folder, authority) = authority("prod");
    let fresh = node(&authority, "a", Duration::ZERO);
    let old = node(&authority, "b", 3 * DAY);
    let refused = NodeTls::load(old.path(), Timestamp::now()).unwrap_err().to_string();
    assert!(refused.contains("node.pem") && refused.contains("expired"), "{refused}");
    let then = Timestamp::now() - SignedDuration::from_hours(60);
    let (fresh, old) = (tls(fresh.path(), Timestamp::now()), tls(old.path(), then));
    let [said, heard] = shake(&fresh, &old).unwrap_err();
    assert!(said.contains("the certificate has expired"), "{said}");
    assert!(heard.contains("this node's certificate has expired"), "{heard}");
    let [heard, said] = shake(&old, &fresh).unwrap_err();
    assert!(said.contains("the certificate has expired"), "{said} {heard}");
}

#[test]
fn a_node_of_another_authority_is_refused() {
    let (_one, here) = authority("prod");
    let (_two, there) = authority("prod");
    let (a, b) = (node(&here, "a", Duration::ZERO), node(&there, "b", Duration::ZERO));
    let (a, b) = (tls(a.path(), Timestamp::now()), tls(b.path(), Timestamp::now()));
    let [said, _] = shake(&a, &b).unwrap_err();
    assert!(said.contains("another authority"), "{said}");
    assert!(shake(&b, &a).is_err());
}

#[test]
fn a_node_of_another_cluster_is_refused_even_when_its_authority_is_trusted() {
    let (_one, here) = authority("prod");
    let (_two, there) = authority("staging");
    let (a, b) = (node(&here, "a", Duration::ZERO), node(&there, "b", Duration::ZERO));
    let both = format!("{}{}", here.certificate(), there.certificate());
    for folder in [&a, &b] {
        std::fs::write(folder.path().join("authority.pem"), &both).unwrap();
    }
    let (a, b) = (tls(a.path(), Timestamp::now()), tls(b.path(), Timestamp::now()));
    let [said, _] = shake(&a, &b).unwrap_err();
    let expected =
        "the certificate of node \"b\" is of the cluster \"staging\", this one is \"prod\"";
    assert_eq!(said, expected);
    let [said, _] = shake(&b, &a).unwrap_err();
    assert!(said.contains("\"a\" is of the cluster \"prod\""), "{said}");
}

#[test]
fn a_client_without_a_certificate_is_refused() {
    let (_folder, authority) = authority("prod");
    let a = node(&authority, "a", Duration::ZERO);
    let server = tls(a.path(), Timestamp::now());
    let mut config = (*server.client()).clone();
    config.client_auth_cert_resolver = std::sync::Arc::new(NoCertificate);
    let mut anonymous = server.clone();
    anonymous.client = config.into();
    let [_, said] = shake(&anonymous, &server).unwrap_err();
    assert_eq!(said, "the other end shows no certificate");
}

#[derive(Debug)]
struct NoCertificate;

impl rustls::client::ResolvesClientCert for NoCertificate {
    fn resolve(
        &self,
        _: &[&[u8]],
        _: &[rustls::SignatureScheme],
    ) -> Option<std::sync::Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}

#[test]
fn an_authority_is_made_once_and_read_again() {
    let (folder, authority) = authority("prod");
    let again = Authority::init(folder.path(), "prod", DAY, Timestamp::now()).unwrap_err();
    assert!(matches!(again, CertificateError::Exists { .. }), "{again}");
    let loaded = Authority::load(folder.path()).unwrap();
    assert_eq!((loaded.cluster(), loaded.certificate()), ("prod", authority.certificate()));
    let (a, b) = (node(&loaded, "a", Duration::ZERO), node(&authority, "b", Duration::ZERO));
    assert!(shake(&tls(a.path(), Timestamp::now()), &tls(b.path(), Timestamp::now())).is_ok());
    let nothing = tempfile::tempdir().unwrap();
    let missing = Authority::load(nothing.path()).unwrap_err().to_string();
    assert!(missing.contains("authority.pem"), "{missing}");
}

#[test]
fn a_wrong_request_is_refused_with_its_field() {
    let (_folder, authority) = authority("prod");
    let cases = [
        (NodeRequest { name: "Node 1".into(), ..request("x", DAY) }, "name"),
        (NodeRequest { addresses: vec!["http://x".into()], ..request("x", DAY) }, "address"),
        (request("x", Duration::MAX), "valid"),
    ];
    for (request, field) in cases {
        let refused = authority.issue(&request, Timestamp::now()).err().unwrap();
        assert!(refused.to_string().starts_with(&format!("`{field}`")), "{refused}");
    }
}

#[test]
fn keys_are_readable_by_their_owner_alone_and_must_fit_their_certificate() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, authority) = authority("prod");
    let (a, b) = (node(&authority, "a", Duration::ZERO), node(&authority, "b", Duration::ZERO));
    for key in [folder.path().join("authority.key"), a.path().join("node.key")] {
        assert_eq!(std::fs::metadata(key).unwrap().permissions().mode() & 0o777, 0o600);
    }
    std::fs::copy(b.path().join("node.key"), a.path().join("node.key")).unwrap();
    assert!(NodeTls::load(a.path(), Timestamp::now()).is_err());
    assert!(http_tls(&a.path().join("node.pem"), &a.path().join("node.key")).is_err());
    assert!(http_tls(&b.path().join("node.pem"), &b.path().join("node.key")).is_ok());
}
