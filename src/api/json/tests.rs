//! Bodies of every wrong kind.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::http::request::Builder;
use axum::routing::post;
use serde::Deserialize;
use tower::ServiceExt;

use super::*;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Order {
    #[serde(rename = "kind")]
    _kind: String,
    #[serde(default, rename = "priority")]
    _priority: Option<Level>,
    #[serde(default, rename = "retry")]
    _retry: Option<Retry>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    High,
    Low,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Retry {
    #[serde(rename = "max_attempts")]
    _max_attempts: u32,
}

#[derive(Clone)]
struct Limits(BodyLimits);

impl FromRef<Limits> for BodyLimits {
    fn from_ref(limits: &Limits) -> Self {
        limits.0
    }
}

fn refused(body: &str) -> Problem {
    parse::<Order>(body.as_bytes()).unwrap_err()
}

fn assert_names(body: &str, field: &str, expected: &str, got: &str) {
    let problem = refused(body);
    assert_eq!(problem.status(), StatusCode::UNPROCESSABLE_ENTITY, "{body}");
    let members = problem.members();
    assert_eq!(members.field.as_deref(), Some(field), "{body}");
    assert_eq!(members.expected.as_deref(), Some(expected), "{body}");
    assert_eq!(members.got.as_deref(), Some(got), "{body}");
}

#[test]
fn a_good_body_is_taken() {
    let body = br#"{"kind":"x","priority":"high","retry":{"max_attempts":3}}"#;
    assert!(parse::<Order>(body).is_ok());
}

#[test]
fn malformed_json_names_line_and_column() {
    let cases = [
        ("{\n  \"kind\": }", "line 2, column 11"),
        ("", "line 1, column 0"),
        ("{} x", "line 1, column 4"),
        ("nothing", "line 1, column 2"),
    ];
    for (body, place) in cases {
        let problem = parse::<serde_json::Value>(body.as_bytes()).unwrap_err();
        assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{body}");
        assert_eq!(problem.members().field.as_deref(), Some(place), "{body}");
    }
    let problem = parse::<Order>(b"{\"kind\": \"\xff\"}").unwrap_err();
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "JSON is UTF-8");
}

#[test]
fn a_document_nested_without_end_is_malformed_not_a_crash() {
    let deep = "[".repeat(100_000);
    let problem = parse::<serde_json::Value>(deep.as_bytes()).unwrap_err();
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST);
}

#[test]
fn an_unknown_field_is_named_with_those_that_exist() {
    let got = "the unknown field `colour`";
    assert_names(r#"{"kind":"x","colour":1}"#, "colour", "one of `kind`, `priority`, `retry`", got);
    assert_names(r#"{"kind":"x","retry":{"colour":1}}"#, "retry.colour", "`max_attempts`", got);
}

#[test]
fn an_unknown_variant_is_named_with_those_that_exist() {
    assert_names(r#"{"kind":"x","priority":"urgent"}"#, "priority", "`high` or `low`", "`urgent`");
}

#[test]
fn valid_json_of_a_form_no_variant_has_is_a_mismatch_not_malformed() {
    let expected = "`high` or `low`";
    assert_names(r#"{"kind":"x","priority":7}"#, "priority", expected, "7");
    assert_names(r#"{"priority":[1],"kind":"x"}"#, "priority", expected, "[1]");
    let problem = refused(r#"{"kind":"x","priority":7"#);
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "it is not JSON either");
}

#[test]
fn a_wrong_type_deep_inside_is_named_by_its_path() {
    let body = r#"{"kind":"x","retry":{"max_attempts":"three"}}"#;
    assert_names(body, "retry.max_attempts", "a whole number, 0 to 4294967295", "string \"three\"");
}

#[test]
fn a_number_that_is_too_large_is_shown_as_it_was_written() {
    let largest = "a whole number, 0 to 4294967295";
    for number in ["99999999999999999999", "1e999", "-1e999"] {
        let body = format!(r#"{{"kind":"x","retry":{{"max_attempts":{number}}}}}"#);
        assert_names(&body, "retry.max_attempts", largest, number);
    }
    assert_names(r#"{"kind":"x","priority":1e999}"#, "priority", "`high` or `low`", "1e999");
}

#[test]
fn half_a_character_is_malformed_json() {
    let problem = refused(r#"{"kind":"\ud800"}"#);
    assert_eq!(problem.status(), StatusCode::BAD_REQUEST, "{problem:?}");
}

#[test]
fn a_missing_field_is_named() {
    assert_names("{}", "kind", "a value", "none");
    assert_names(r#"{"kind":"x","retry":{}}"#, "retry.max_attempts", "a value", "none");
}

#[test]
fn a_field_given_twice_is_named() {
    assert_names(r#"{"kind":"x","kind":"y"}"#, "kind", "the field once", "it twice");
}

async fn status_of(max_bytes: usize, request: Builder, body: Body) -> StatusCode {
    let limits = Limits(BodyLimits { max_bytes, within: Duration::from_secs(2) });
    let app: Router = Router::new()
        .route("/", post(|_: Json<serde_json::Value>| async {}))
        .with_state::<()>(limits);
    app.oneshot(request.uri("/").method("POST").body(body).unwrap()).await.unwrap().status()
}

fn typed() -> Builder {
    Request::builder().header(CONTENT_TYPE, "application/json")
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_announced_or_not() {
    let announced = typed().header(CONTENT_LENGTH, "9");
    assert_eq!(status_of(8, announced, Body::empty()).await, StatusCode::PAYLOAD_TOO_LARGE);
    let pieces = futures::stream::iter(["\"aaa"; 3].map(Ok::<_, std::io::Error>));
    assert_eq!(
        status_of(8, typed(), Body::from_stream(pieces)).await,
        StatusCode::PAYLOAD_TOO_LARGE
    );
    assert_eq!(status_of(8, typed(), Body::from("{\"aa\":1}")).await, StatusCode::OK);
}

#[tokio::test]
async fn a_body_over_the_limit_is_taken_in_so_that_its_sender_reads_the_answer() {
    let taken = |announced: Option<&'static str>, pieces: usize, asks_first: bool| async move {
        let count = Arc::new(AtomicUsize::new(0));
        let counting = Arc::clone(&count);
        let pieces = futures::stream::iter(std::iter::repeat_n("aaaa", pieces)).map(move |piece| {
            counting.fetch_add(1, Ordering::Relaxed);
            Ok::<_, std::io::Error>(piece)
        });
        let mut request = typed();
        if let Some(length) = announced {
            request = request.header(CONTENT_LENGTH, length);
        }
        if asks_first {
            request = request.header(EXPECT, "100-continue");
        }
        let status = status_of(8, request, Body::from_stream(pieces)).await;
        assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
        count.load(Ordering::Relaxed)
    };
    assert_eq!(taken(None, 10, false).await, 10);
    assert_eq!(taken(Some("40"), 10, false).await, 10);
    assert_eq!(taken(Some("40"), 10, true).await, 0, "it was told before it sent");
    assert_eq!(taken(Some("4000"), 1_000, false).await, 32, "within bounds");
}

#[test]
fn what_is_no_object_is_refused_as_what_it_is() {
    for (body, got) in [
        ("[\"x\"]", "an array"),
        (" \"x\"", "a string"),
        ("null", "null"),
        ("true", "a boolean"),
        ("-1", "a number"),
    ] {
        assert_names(body, "(body)", "a JSON object", got);
    }
}

#[tokio::test(start_paused = true)]
async fn an_announced_body_over_the_limit_that_never_comes_is_refused_soon() {
    let never = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    let start = tokio::time::Instant::now();
    let announced = typed().header(CONTENT_LENGTH, "9");
    assert_eq!(status_of(8, announced, never).await, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(start.elapsed() <= DISCARDED_WITHIN + Duration::from_millis(1));
}

#[tokio::test(start_paused = true)]
async fn a_body_that_never_ends_is_given_up() {
    let never = Body::from_stream(futures::stream::pending::<Result<&str, std::io::Error>>());
    assert_eq!(status_of(8, typed(), never).await, StatusCode::REQUEST_TIMEOUT);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_malformed() {
    let broken = futures::stream::iter([Ok("{"), Err(std::io::Error::other("reset"))]);
    assert_eq!(status_of(8, typed(), Body::from_stream(broken)).await, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let form = Request::builder().header(CONTENT_TYPE, "text/plain");
    assert_eq!(status_of(8, form, Body::from("{}")).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
    let untyped = Request::builder();
    assert_eq!(status_of(8, untyped, Body::from("{}")).await, StatusCode::UNSUPPORTED_MEDIA_TYPE);
}
