//! What an endpoint's answer means.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::fmt::rfc2822;
use reqwest::header::{CONTENT_TYPE, DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Response, StatusCode};
use serde::de::IgnoredAny;
use serde_json::Value;
use synod_agents::{AgentError, JSON, Payload, Usage};

use super::client::RedirectRefused;
use super::resolver::AddressRefused;

/// Longest wait that an endpoint may ask for.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(3_600);

/// Headers by which an endpoint says what the work used up.
const USED_TOKENS: &str = "synod-used-tokens";
const USED_MONEY: &str = "synod-used-money-micros";

/// Characters of an endpoint's own words that an error repeats.
const MAX_WORDS: usize = 300;

/// Makes an answer a result, or the error it stands for.
pub(super) async fn read(response: Response, max_bytes: usize) -> Result<Payload, AgentError> {
    let (status, headers) = (response.status(), response.headers().clone());
    let body = body(response, max_bytes).await?;
    match status {
        StatusCode::OK | StatusCode::CREATED => result(&headers, body),
        StatusCode::NO_CONTENT => Ok(Payload::empty()),
        _ => Err(refusal(status, &headers, &body)),
    }
}

async fn body(mut response: Response, max_bytes: usize) -> Result<Bytes, AgentError> {
    let too_large = || {
        AgentError::failed(format!("the answer is too large: expected at most {max_bytes} bytes"))
    };
    if response.content_length().is_some_and(|length| length > max_bytes as u64) {
        return Err(too_large());
    }
    let mut all = BytesMut::new();
    while let Some(piece) = response.chunk().await.map_err(|why| unsent(&why))? {
        if all.len() + piece.len() > max_bytes {
            return Err(too_large());
        }
        all.extend_from_slice(&piece);
    }
    Ok(all.freeze())
}

fn result(headers: &HeaderMap, body: Bytes) -> Result<Payload, AgentError> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or("none");
    let payload = Payload::new(kind, body);
    if !payload.is_json() {
        let message = format!("expected an answer of content type {JSON}, got {kind}");
        return Err(AgentError::failed(message));
    }
    match payload.to_json::<IgnoredAny>() {
        Ok(IgnoredAny) => Ok(payload),
        Err(why) => Err(AgentError::failed(format!("expected JSON as the answer: {why}"))),
    }
}

fn refusal(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> AgentError {
    let message = format!("the endpoint answered {status}{}", words(body));
    let error = match status.as_u16() {
        429 => AgentError::rate_limited(message),
        408 | 425 | 503 => AgentError::unavailable(message),
        // The endpoint itself is not there, or not for us: other input would change nothing.
        401 | 403 | 404 | 405 | 407 | 410 => AgentError::refused(message),
        400..=499 => AgentError::invalid_input(message),
        500..=599 => AgentError::failed(message),
        _ => AgentError::refused(format!("{message}; expected 200 with the result, or an error")),
    };
    match retry_after(headers).filter(|_| error.retryable()) {
        Some(wait) => error.retry_after(wait),
        None => error,
    }
}

/// What the endpoint says about it: the usual members of a JSON error, or the beginning of its
/// text.
fn words(body: &[u8]) -> String {
    let json: Option<Value> = serde_json::from_slice(body).ok();
    let member = |name| json.as_ref().and_then(|json| json.get(name)).and_then(Value::as_str);
    let said = ["detail", "message", "error", "title"].into_iter().find_map(member);
    let text = said.map_or_else(|| String::from_utf8_lossy(body), Into::into);
    let text: String = text.trim().chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect();
    if text.is_empty() { text } else { format!(": {text}") }
}

/// `Retry-After` (RFC 9110, section 10.2.3): seconds, or a date; the date counts from the answer's
/// own `Date`, so that two clocks need not agree.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let wait = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let date = |text: &str| rfc2822::parse(text).ok().map(|zoned| zoned.timestamp());
            let answered = date(headers.get(DATE)?.to_str().ok()?)?;
            Duration::try_from(date(text)?.duration_since(answered)).unwrap_or_default()
        }
    };
    Some(wait.min(MAX_RETRY_AFTER))
}

/// What the endpoint says the work used up, whatever came of it; what is no number counts as none.
pub(super) fn usage(headers: &HeaderMap) -> Usage {
    let number = |name: &str| {
        let text = headers.get(name).and_then(|value| value.to_str().ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    };
    Usage { tokens: number(USED_TOKENS), money_micros: number(USED_MONEY) }
}

/// What it means that there is no answer, or half of one.
pub(super) fn unsent(why: &reqwest::Error) -> AgentError {
    let causes = || std::iter::successors(std::error::Error::source(why), |cause| cause.source());
    if let Some(refused) = causes().find(|cause| cause.is::<AddressRefused>()) {
        return AgentError::refused(refused.to_string());
    }
    if let Some(refused) = causes().find(|cause| cause.is::<RedirectRefused>()) {
        return AgentError::refused(refused.to_string());
    }
    let cause = causes().last().map_or_else(|| why.to_string(), ToString::to_string);
    if why.is_connect() {
        AgentError::unavailable(format!("the endpoint can't be reached: {cause}"))
    } else if why.is_timeout() {
        AgentError::timeout("the endpoint did not answer in time")
    } else {
        AgentError::lost(format!("the connection to the endpoint broke: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use synod_agents::AgentErrorKind;

    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    #[test]
    fn retry_after_is_read_in_both_forms_and_bounded() {
        let seconds = |pairs| retry_after(&headers(pairs)).map(|wait| wait.as_secs());
        assert_eq!(seconds(&[("retry-after", "7")]), Some(7));
        assert_eq!(seconds(&[("retry-after", "99999999")]), Some(3_600));
        assert_eq!(seconds(&[("retry-after", "soon")]), None);
        let dated = [
            ("date", "Sun, 06 Nov 1994 08:49:37 GMT"),
            ("retry-after", "Sun, 06 Nov 1994 08:50:07 GMT"),
        ];
        assert_eq!(seconds(&dated), Some(30));
        let past = [dated[1], ("date", "Sun, 06 Nov 1994 09:49:37 GMT")];
        assert_eq!(seconds(&past), Some(0));
    }

    #[test]
    fn headers_say_what_the_work_used_up() {
        let said = [("synod-used-tokens", "1200"), ("synod-used-money-micros", "35")];
        assert_eq!(usage(&headers(&said)), Usage { tokens: 1_200, money_micros: 35 });
        assert_eq!(usage(&headers(&[("synod-used-tokens", "many")])), Usage::default());
    }

    #[test]
    fn a_status_decides_whether_another_attempt_makes_sense() {
        let kind =
            |code: u16| refusal(StatusCode::from_u16(code).unwrap(), &headers(&[]), b"").kind;
        assert_eq!(kind(400), AgentErrorKind::InvalidInput);
        assert_eq!(kind(422), AgentErrorKind::InvalidInput);
        assert_eq!(kind(404), AgentErrorKind::Refused);
        assert_eq!(kind(429), AgentErrorKind::RateLimited);
        assert_eq!(kind(503), AgentErrorKind::Unavailable);
        assert_eq!(kind(500), AgentErrorKind::Failed);
        assert_eq!(kind(202), AgentErrorKind::Refused);
    }

    #[test]
    fn an_endpoints_words_are_repeated_cut_and_without_control_characters() {
        let said = words(br#"{"detail":"no\u001b[2J such file"}"#);
        assert_eq!(said, ": no[2J such file");
        assert_eq!(words("x".repeat(9_999).as_bytes()).len(), MAX_WORDS + 2);
    }
}
