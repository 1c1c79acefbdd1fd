//! What a browser can send, and what it gets.

use axum::body::Body;
use axum::http::{Request, StatusCode};

use super::*;

fn verdict(guard: &Guard, method: &str, headers: &[(&str, &str)]) -> Result<(), StatusCode> {
    let mut request = Request::builder().method(method).uri("/api/v1/status");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
    guard.check(&parts).map_err(|problem| problem.status())
}

const HERE: (&str, &str) = ("host", "127.0.0.1:7600");
const JSON: (&str, &str) = ("content-type", "application/json");

#[test]
fn loopback_names_and_addresses_are_this_node() {
    for host in ["localhost", "LOCALHOST:7600", "127.0.0.1:7600", "127.9.9.9", "[::1]:7600"] {
        assert_eq!(verdict(&Guard::default(), "GET", &[("host", host)]), Ok(()), "{host}");
    }
}

#[test]
fn a_rebound_name_is_refused_though_it_resolves_to_loopback() {
    for host in
        ["evil.example:7600", "127.0.0.1.evil.example", "localhost.evil.example", "[fe80::1]", ""]
    {
        let got = verdict(&Guard::default(), "GET", &[("host", host)]);
        assert_eq!(got, Err(StatusCode::FORBIDDEN), "{host}");
    }
}

#[test]
fn a_missing_or_doubled_host_is_malformed() {
    assert_eq!(verdict(&Guard::default(), "GET", &[]), Err(StatusCode::BAD_REQUEST));
    let twice = [HERE, ("host", "evil.example")];
    assert_eq!(verdict(&Guard::default(), "GET", &twice), Err(StatusCode::BAD_REQUEST));
}

#[test]
fn an_absolute_target_must_agree_with_the_host() {
    let request = Request::builder().uri("http://evil.example/").header("host", HERE.1);
    let (parts, _) = request.body(Body::empty()).unwrap().into_parts();
    assert_eq!(Guard::default().check(&parts).unwrap_err().status(), StatusCode::FORBIDDEN);
}

#[test]
fn a_foreign_origin_is_refused_even_on_another_port_of_this_machine() {
    for origin in ["https://evil.example", "null", "http://localhost:3000", "http://127.0.0.1"] {
        let got = verdict(&Guard::default(), "GET", &[HERE, ("origin", origin)]);
        assert_eq!(got, Err(StatusCode::FORBIDDEN), "{origin}");
    }
    assert_eq!(
        verdict(&Guard::default(), "GET", &[HERE, ("origin", "http://127.0.0.1:7600")]),
        Ok(())
    );
}

#[test]
fn a_foreign_websocket_is_refused() {
    let upgrade = [
        HERE,
        ("connection", "upgrade"),
        ("upgrade", "websocket"),
        ("origin", "https://evil.example"),
    ];
    assert_eq!(verdict(&Guard::default(), "GET", &upgrade), Err(StatusCode::FORBIDDEN));
}

#[test]
fn configured_names_and_origins_are_allowed() {
    let guard = Guard::new(&["node.example".into()], &["https://Console.example".into()]);
    let headers = [
        ("host", "node.example:7600"),
        ("origin", "https://console.example"),
        ("sec-fetch-site", "cross-site"),
    ];
    assert_eq!(verdict(&guard, "GET", &headers), Ok(()));
}

#[test]
fn forms_and_simple_requests_are_refused() {
    let forms = [
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "text/plain",
        "application/jsonp",
    ];
    for form in forms {
        let got = verdict(&Guard::default(), "POST", &[HERE, ("content-type", form)]);
        assert_eq!(got, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{form}");
    }
    let untyped = [HERE, ("content-length", "2")];
    assert_eq!(
        verdict(&Guard::default(), "POST", &untyped),
        Err(StatusCode::UNSUPPORTED_MEDIA_TYPE)
    );
}

#[test]
fn a_compressed_body_is_refused() {
    let coded = |encoding| [HERE, JSON, ("content-encoding", encoding)];
    for encoding in ["gzip", "br, identity"] {
        let got = verdict(&Guard::default(), "POST", &coded(encoding));
        assert_eq!(got, Err(StatusCode::UNSUPPORTED_MEDIA_TYPE), "{encoding}");
    }
    assert_eq!(verdict(&Guard::default(), "POST", &coded("Identity")), Ok(()));
}

#[test]
fn json_and_an_empty_body_are_let_through() {
    let utf8 = ("content-type", "application/json; charset=utf-8");
    for headers in [&[HERE, JSON][..], &[HERE, utf8], &[HERE], &[HERE, ("content-length", "0")]] {
        assert_eq!(verdict(&Guard::default(), "POST", headers), Ok(()), "{headers:?}");
    }
}

#[test]
fn a_page_of_another_site_is_refused_but_a_link_is_not() {
    let foreign = ("sec-fetch-site", "cross-site");
    let image = [HERE, foreign, ("sec-fetch-mode", "no-cors")];
    let link = [HERE, foreign, ("sec-fetch-mode", "navigate")];
    assert_eq!(verdict(&Guard::default(), "GET", &image), Err(StatusCode::FORBIDDEN));
    assert_eq!(verdict(&Guard::default(), "GET", &link), Ok(()));
    assert_eq!(verdict(&Guard::default(), "POST", &link), Err(StatusCode::FORBIDDEN));
}
